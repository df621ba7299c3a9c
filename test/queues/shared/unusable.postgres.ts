/** What keeps a server from using PostgreSQL is told in one line. */
import { expect, test } from "bun:test";

import { databases } from "./database.ts";
import { newServer } from "./shop.ts";

const { port, make } = databases();

async function reasonOf(database: string): Promise<string> {
  try {
    const server = await newServer(await port(), database);
    await server.backend.close();
    return "none";
  } catch (error) {
    return (error as Error).message;
  }
}

async function asOwner(database: string, statement: string): Promise<void> {
  const sql = new Bun.SQL(`postgres://postgres@127.0.0.1:${await port()}/${database}`, { max: 1 });
  await sql.unsafe(statement);
  await sql.close();
}

test("a missing right", async () => {
  const database = await make();
  await asOwner(database, `revoke create on database ${database} from memcacheq`);
  expect(await reasonOf(database)).toBe(
    `user memcacheq may not make the schema memcacheq in database ${database}: GRANT CREATE ON DATABASE is needed, or that the schema is this user's`,
  );
});

test("a schema of another user", async () => {
  const database = await make();
  await asOwner(database, "create schema memcacheq");
  expect(await reasonOf(database)).toMatch(
    /^user memcacheq may not make the schema memcacheq in database /,
  );
});

test("a schema that is newer", async () => {
  const database = await make();
  expect(await reasonOf(database)).toBe("none");
  await asOwner(database, "update memcacheq.version set version = 2");
  expect(await reasonOf(database)).toBe(
    "the schema memcacheq is of a newer memcacheq (version 2 of it, this one knows 1)",
  );
});

test("no such database", async () => {
  await make();
  expect(await reasonOf("absent")).toBe('database "absent" does not exist');
});
