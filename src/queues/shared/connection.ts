import { SQL } from "bun";

import type { StoreAddress } from "../../config/store_address.ts";
import { plainReason, stateOf, UnusableError } from "./errors.ts";
import { prepareSchema } from "./schema.ts";

/** The connections of a server to one PostgreSQL. When one of them fails all are closed, and made anew. */
export interface Link {
  /** Turns: their commits do not wait for the disk, so that their locks are not held meanwhile. */
  readonly turns: SQL;
  /** All else. */
  readonly asks: SQL;
  /** A text that the connections for turns were given, and that turns look at. */
  readonly session: string;
}

const CONNECT_TIMEOUT_S = 5;

/*
 * A turn is some milliseconds. Whatever takes longer than these is cut off, so that a machine that vanishes in the middle
 * of a turn does not hold the lock of a queue for hours.
 */
const SETTINGS = {
  application_name: "memcacheq",
  statement_timeout: "30000",
  lock_timeout: "10000",
  idle_in_transaction_session_timeout: "10000",
  tcp_keepalives_idle: "5",
  tcp_keepalives_interval: "2",
  tcp_keepalives_count: "3",
  tcp_user_timeout: "10000",
  client_min_messages: "warning",
  jit: "off",
  // With a backlog of a million messages plans that are best for a few would read all of them.
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  enable_material: "off",
};

/** Connects to the first of the hosts that is a primary server. @throws an error of the last one; UnusableError */
export async function openLink(store: StoreAddress): Promise<Link> {
  let failure: unknown;
  for (const { host, port } of store.hosts) {
    const link = newLink(store, host, port);
    try {
      await check(link);
      return link;
    } catch (error) {
      await closeLink(link);
      failure = meaningOf(error);
      if (failure instanceof UnusableError) throw failure;
    }
  }
  throw failure;
}

function newLink(store: StoreAddress, host: string, port: number): Link {
  const session = crypto.randomUUID();
  const base = { ...SETTINGS, "memcacheq.session": session };
  const open = (max: number, extra: Record<string, string>) =>
    newPool(store, host, port, max, { ...base, ...extra });
  return {
    turns: open(1, { synchronous_commit: "off" }),
    asks: open(2, { synchronous_commit: "off" }),
    session,
  };
}

function newPool(
  store: StoreAddress,
  host: string,
  port: number,
  max: number,
  connection: Record<string, string>,
): SQL {
  const { user, database, password, sslmode, sslrootcert } = store;
  const isPath = host.startsWith("/");
  const ca = sslrootcert === undefined ? undefined : Bun.file(sslrootcert);
  // Bun looks at the name with any authority of one's own.
  const identity = sslmode === "verify-ca" ? { checkServerIdentity: () => undefined } : {};
  // A URL, so that no variable of the environment names another server.
  return new SQL(`postgres://${isPath ? "localhost" : urlHost(host)}:${port}/`, {
    ...(isPath ? { path: host } : {}),
    ...(isPath ? {} : { ssl: sslmode, ...(ca === undefined ? {} : { tls: { ca, ...identity } }) }),
    username: user,
    password: password ?? "",
    database,
    max,
    idleTimeout: 0,
    connectionTimeout: CONNECT_TIMEOUT_S,
    connection,
  });
}

function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Makes the connections, and sees whether they can be used. */
async function check({ turns, asks, session }: Link): Promise<void> {
  const [found] = await turns.unsafe(
    "select pg_is_in_recovery() as standby, current_setting('memcacheq.session', true) as session",
  );
  if (found.standby === true) throw new Error("it is a standby server");
  if (found.session !== session) {
    throw new UnusableError(
      "a pool stands before PostgreSQL: connect without it, or in session mode",
    );
  }
  await prepareSchema(turns);
  await asks.unsafe("select 1");
}

/** Errors that will not go away by themselves, in words for the operator. */
function meaningOf(error: unknown): unknown {
  const state = stateOf(error);
  const reason = plainReason(error);
  if (/unsupported startup parameter/.test(reason)) {
    return new UnusableError(
      "a pool stands before PostgreSQL (PgBouncer): connect without it, or in session mode",
    );
  }
  // Wrong password, no such user or database, not allowed.
  return /^(28...|3D000|42501)$/.test(state) ? new UnusableError(reason) : error;
}

export async function closeLink({ turns, asks }: Link): Promise<void> {
  await Promise.all([turns, asks].map((sql) => sql.close({ timeout: 0 }).catch(() => undefined)));
}
