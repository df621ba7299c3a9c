/** Deleting a deep queue: answered at once, gone at once, its space cleaned up behind. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { eventually, type Server, start, suite } from "./harness.ts";

suite();

const depth = 20_000;

/** Appends `count` messages of 500 bytes. */
async function fill(client: Client, queue: string, count: number): Promise<void> {
  const body = "b".repeat(500);
  for (let left = count; left > 0; left -= 1000) {
    client.send(Buffer.concat(Array<Buffer>(1000).fill(set(queue, body))));
    await expectLines(client, Array<string>(1000).fill("STORED"));
  }
}

function rows(server: Server): number {
  const database = new Database(join(server.home, "memcacheq.db"), { readonly: true });
  try {
    const row = database
      .query<{ count: number }, []>("SELECT count(*) AS count FROM segment")
      .get();
    return row?.count ?? -1;
  } finally {
    database.close();
  }
}

const cleaned = (server: Server) =>
  eventually("no rows left", () => (rows(server) === 0 ? true : undefined));

async function expectFresh(client: Client, queue: string): Promise<void> {
  client.send("stats queue\r\n");
  await expectLines(client, ["END"]);
  expect(await client.take(queue)).toBeUndefined();
  await client.put(queue, "new", 9);
  client.send("stats queue\r\n");
  await expectLines(client, [`STAT ${queue} 1/0`, "END"]);
  client.send(`gets ${queue} ${queue}\r\n`);
  expect(await client.messages()).toEqual([{ queue, flags: 9, body: "new", number: 1 }]);
}

test("a deep queue is deleted, made again at once, and its rows disappear", async () => {
  const server = await start(["-m", "1", "-N"]);
  const client = await server.connect();
  await fill(client, "deep", depth);
  expect(rows(server)).toBeGreaterThan(0);
  expect(await client.ask("delete deep")).toBe("DELETED");
  await expectFresh(client, "deep");
  expect(await client.ask("delete deep")).toBe("DELETED");
  expect(await client.ask("delete deep")).toBe("NOT_FOUND");
  await cleaned(server);
  expect(await server.stop()).toMatchObject({ code: 0 });
});

test("other clients are served while a deep queue goes", async () => {
  const server = await start(["-m", "1", "-N"]);
  const [client, other] = [await server.connect(), await server.connect()];
  await fill(client, "deep", depth);
  client.send("delete deep\r\n");
  for (let n = 0; n < 100; n++) {
    await other.put("busy", `${n}`);
    expect(await other.take("busy")).toBe(`${n}`);
  }
  expect(await client.line()).toBe("DELETED");
  expect(await other.ask("delete busy")).toBe("DELETED");
  await cleaned(server);
  await server.stop();
});

test("all commands on a queue around its deletion, in one write", async () => {
  const server = await start();
  const client = await server.connect();
  client.send(
    "set q 1 0 1\r\na\r\nset q 2 0 1\r\nb\r\nget q\r\ndelete q\r\nget q\r\ndelete q\r\n" +
      "set q 3 0 1\r\nc\r\ndelete q\r\nset q 4 0 1\r\nd\r\ngets q q\r\nstats queue\r\n",
  );
  const answers =
    "STORED,STORED,VALUE q 1 1,a,END,DELETED,END,NOT_FOUND,STORED,DELETED,STORED,VALUE q 4 1 1,d,END,STAT q 1/1,END";
  await expectLines(client, answers.split(","));
  await server.stop();
});

describe.each(["stop", "kill9"] as const)("%s right after DELETED", (how) => {
  test("the queue stays deleted, can be made again, and its rows disappear", async () => {
    const first = await start(["-m", "1"]);
    const before = await first.connect();
    await fill(before, "deep", depth);
    expect(await before.ask("delete deep")).toBe("DELETED");
    await first[how]();

    const second = await start(["-m", "1"], { home: first.home });
    const after = await second.connect();
    await expectFresh(after, "deep");
    expect(await after.ask("delete deep")).toBe("DELETED");
    await cleaned(second);
    await second.stop();
  });

  test("a queue that was deleted and made again keeps only the new messages", async () => {
    const first = await start();
    const before = await first.connect();
    await fill(before, "deep", 5000);
    before.send("get deep\r\ndelete deep\r\n");
    expect(await before.messages()).toHaveLength(1);
    expect(await before.line()).toBe("DELETED");
    await before.put("deep", "one", 1);
    await before.put("deep", "two", 2);
    expect(await before.take("deep")).toBe("one");
    await first[how]();

    const second = await start([], { home: first.home });
    const after = await second.connect();
    after.send("stats queue\r\n");
    await expectLines(after, ["STAT deep 2/1", "END"]);
    after.send("gets deep deep\r\n");
    expect(await after.messages()).toEqual([{ queue: "deep", flags: 2, body: "two", number: 2 }]);
    await second.stop();
  });
});

test("a queue that was read to its end leaves no rows", async () => {
  const server = await start(["-m", "1", "-N"]);
  const client = await server.connect();
  await fill(client, "deep", 5000);
  client.send(`get${" deep".repeat(5000)}\r\n`);
  expect(await client.messages()).toHaveLength(5000);
  await cleaned(server);
  client.send("stats queue\r\n");
  await expectLines(client, ["STAT deep 5000/5000", "END"]);
  await server.stop();
});
