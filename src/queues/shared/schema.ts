import type { SQL } from "bun";

import { stateOf, UnusableError } from "./errors.ts";
import delivery from "./sql/delivery.sql" with { type: "text" };
import messages from "./sql/messages.sql" with { type: "text" };
import operations from "./sql/operations.sql" with { type: "text" };
import queues from "./sql/queues.sql" with { type: "text" };
import servers from "./sql/servers.sql" with { type: "text" };
import tables from "./sql/tables.sql" with { type: "text" };
import turn from "./sql/turn.sql" with { type: "text" };
import views from "./sql/views.sql" with { type: "text" };

/** Raised with each change of the tables or functions. */
const SCHEMA = 1;
const OLDEST_POSTGRESQL = 14;

/** Makes the schema if it is not there. @throws UnusableError */
export async function prepareSchema(sql: SQL): Promise<void> {
  const [about] = await sql.unsafe(
    "select current_setting('server_version_num')::int as version, exists (select from pg_namespace where nspname = 'memcacheq') as is_there, current_user as name, current_database() as database",
  );
  const version = Math.floor(about.version / 10_000);
  if (version < OLDEST_POSTGRESQL) {
    throw new UnusableError(
      `PostgreSQL ${version} is too old: ${OLDEST_POSTGRESQL} or later is needed`,
    );
  }
  try {
    if (about.is_there !== true) await makeSchema(sql);
    const [found] = await sql.unsafe("select version from memcacheq.version");
    if (found?.version > SCHEMA) {
      throw new UnusableError(
        `the schema memcacheq is of a newer memcacheq (version ${found.version} of it, this one knows ${SCHEMA})`,
      );
    }
  } catch (error) {
    if (stateOf(error) !== "42501") throw error;
    throw new UnusableError(
      `user ${about.name} may not make the schema memcacheq in database ${about.database}: GRANT CREATE ON DATABASE is needed, or that the schema is this user's`,
    );
  }
}

async function makeSchema(sql: SQL): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe("select pg_advisory_xact_lock(22203, 0)");
    const [found] = await tx.unsafe(
      "select exists (select from pg_namespace where nspname = 'memcacheq') as is_there",
    );
    if (found.is_there === true) return;
    const parts = [tables, messages, delivery, operations, views, queues, turn, servers];
    await tx.unsafe(`create schema memcacheq;\n${parts.join("\n")}`).simple();
    await tx.unsafe(`insert into memcacheq.version (version) values (${SCHEMA})`);
  });
}
