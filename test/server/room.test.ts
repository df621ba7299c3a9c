/** `--max-messages` and `--max-bytes`: what counts as being in a queue, and what makes room. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { type Client, set } from "./client.ts";
import { statistic, untilConnected } from "./connected.ts";
import { expectLines, talk } from "./conversation.ts";
import { type Server, start, suite } from "./harness.ts";
import { waiter } from "./waiter.ts";

suite();

const KB = 1024;

async function offer(client: Client, queue: string, size: number): Promise<string> {
  client.send(set(queue, "b".repeat(size)));
  return client.line();
}

/** How many of so many messages of one byte find room. */
async function room(client: Client, queue: string, tried: number): Promise<number> {
  let stored = 0;
  for (let n = 0; n < tried; n++) if ((await offer(client, queue, 1)) === "STORED") stored++;
  return stored;
}

/** Does it with a connection that then ends: the only one that does. */
async function gone(
  server: Server,
  staying: Client,
  work: (leaving: Client) => Promise<void>,
): Promise<void> {
  const leaving = await server.connect();
  await work(leaving);
  const before = await statistic(staying, "curr_connections");
  leaving.reset();
  await untilConnected(staying, before - 1);
}

describe("--max-messages 3", () => {
  test("what is open counts; closing makes room, putting back and peeking do not", async () => {
    const server = await start(["--max-messages", "3"]);
    const client = await server.connect();
    expect(await room(client, "q", 5)).toBe(3);
    expect(await client.take("q/open")).toBe("b");
    expect(await client.take("q/peek")).toBe("b");
    expect(await room(client, "q", 2)).toBe(0);
    expect(await client.take("q/abort")).toBeUndefined();
    expect(await room(client, "q", 2)).toBe(0);
    expect(await client.take("q/open")).toBe("b");
    expect(await client.take("q/close/open")).toBe("b");
    expect(await room(client, "q", 2)).toBe(1);
    expect(await client.take("q/close")).toBeUndefined();
    expect(await room(client, "q", 2)).toBe(1);
    await gone(server, client, async (leaving) => expect(await leaving.take("q/open")).toBe("b"));
    expect(await room(client, "q", 2)).toBe(0);
    await server.stop();
  });

  test("a flush makes room for all but what is open, a delete for that too", async () => {
    const server = await start(["--max-messages", "3"]);
    const [client, other] = [await server.connect(), await server.connect()];
    expect(await room(client, "q", 3)).toBe(3);
    expect(await other.take("q/open")).toBe("b");
    expect(await client.ask("flush q")).toBe("END");
    expect(await room(client, "q", 4)).toBe(2);
    expect(await client.ask("delete q")).toBe("DELETED");
    expect(await room(client, "q", 4)).toBe(3);
    expect(await other.take("q/close")).toBeUndefined();
    expect(await room(client, "q", 4)).toBe(0);
    await server.stop();
  });

  test.each(["stop", "kill9"] as const)("%s: what was open counts again", async (how) => {
    const first = await start(["--max-messages", "3"]);
    const before = await first.connect();
    expect(await room(before, "q", 3)).toBe(3);
    expect(await before.take("q/open")).toBe("b");
    expect(await before.take("q")).toBe("b");
    await first[how]();
    const second = await start(["--max-messages", "3"], { home: first.home });
    expect(await room(await second.connect(), "q", 3)).toBe(1);
    await second[how]();
    // A queue may be beyond a limit that came later.
    const third = await start(["--max-messages", "1"], { home: first.home });
    const after = await third.connect();
    expect(await room(after, "q", 1)).toBe(0);
    after.send("get q q\r\n");
    expect(await after.messages()).toHaveLength(2);
    expect(await room(after, "q", 1)).toBe(0);
    expect(await after.take("q")).toBe("b");
    expect(await room(after, "q", 2)).toBe(1);
    await third.stop();
  });
});

test("--max-messages 1: those who wait make room at once", async () => {
  const server = await start(["--max-messages", "1"]);
  const client = await server.connect();
  const waiting: Client[] = [];
  for (let n = 0; n < 3; n++) waiting.push(await waiter(server, "q/t=60000"));
  client.send(Buffer.concat(Array.from({ length: 5 }, (_, n) => set("q", `${n}`))));
  await expectLines(client, [...Array<string>(4).fill("STORED"), "NOT_STORED"]);
  for (const [n, each] of waiting.entries()) expect((await each.messages())[0]?.body).toBe(`${n}`);
  expect(await client.take("q")).toBe("3");
  await server.stop();
});

test("NOT_STORED makes no queue, and the next set is judged anew", async () => {
  const server = await start(["--max-bytes", "10", "--max-messages", "2"]);
  const client = await server.connect();
  await talk(
    client,
    `> set a 0 0 8
     > 12345678
     > set b 0 0 3
     > 123
     > set c 0 0 3 noreply
     > 123
     > stats queue
     > set b 0 0 0
     >
     > set b 0 0 2
     > 12
     > set b 0 0 0
     >
     > get a
     > set c 0 0 9
     > 123456789
     > set c 0 0 8
     > 12345678
     > stats queue
     < STORED
     < NOT_STORED
     < STAT a 1/0
     < END
     < STORED
     < STORED
     < NOT_STORED
     < VALUE a 0 8
     < 12345678
     < END
     < NOT_STORED
     < STORED
     < STAT a 1/1
     < STAT b 2/0
     < STAT c 1/0
     < END`,
  );
  await server.stop();
});

describe("--max-bytes", () => {
  test.each([
    ["5000", 5000],
    ["3k", 3 * KB],
    ["3K", 3 * KB],
    ["2m", 2 * KB * KB],
    ["2M", 2 * KB * KB],
    ["1g", KB * KB * KB],
    ["1G", KB * KB * KB],
  ])("%s are %d bytes", async (size, bytes) => {
    const server = await start(["--max-bytes", size, "-B", `${64 * KB * KB}`, "-N", "-m", "64"]);
    const client = await server.connect();
    if (bytes > 64 * KB * KB) {
      // A gigabyte is not written here, but more than the next smaller unit would allow.
      expect(await offer(client, "q", 3 * KB * KB)).toBe("STORED");
    } else {
      expect(await offer(client, "q", bytes + 1)).toBe("NOT_STORED");
      expect(await offer(client, "q", bytes - 1)).toBe("STORED");
      expect(await offer(client, "r", 2)).toBe("NOT_STORED");
      expect(await offer(client, "r", 1)).toBe("STORED");
    }
    await server.stop();
  });

  test("what is open counts, in all queues together", async () => {
    const server = await start(["--max-bytes", "1000"]);
    const [client, other] = [await server.connect(), await server.connect()];
    for (const queue of ["a", "b", "c"]) expect(await offer(client, queue, 300)).toBe("STORED");
    for (const queue of ["a", "b", "c"]) {
      expect(await other.take(`${queue}/open`)).toHaveLength(300);
    }
    expect(await offer(client, "d", 101)).toBe("NOT_STORED");
    expect(await other.take("a/abort")).toBeUndefined();
    expect(await offer(client, "d", 101)).toBe("NOT_STORED");
    expect(await client.take("a")).toHaveLength(300);
    expect(await offer(client, "d", 401)).toBe("NOT_STORED");
    expect(await offer(client, "d", 400)).toBe("STORED");
    expect(await client.ask("flush_all")).toBe("OK");
    expect(await offer(client, "d", 401)).toBe("NOT_STORED");
    expect(await other.take("b/close")).toBeUndefined();
    expect(await offer(client, "d", 701)).toBe("NOT_STORED");
    expect(await client.ask("delete c")).toBe("DELETED");
    expect(await offer(client, "d", 1000)).toBe("STORED");
    // What was deleted with its queue gives no room a second time.
    expect(await other.take("c/close")).toBeUndefined();
    expect(await offer(client, "e", 1)).toBe("NOT_STORED");
    await gone(server, client, async (leaving) => {
      expect(await leaving.take("d/open")).toHaveLength(1000);
      expect(await client.ask("delete d")).toBe("DELETED");
    });
    expect(await offer(client, "e", 1001)).toBe("NOT_STORED");
    expect(await offer(client, "e", 1000)).toBe("STORED");
    await server.stop();
  });

  test.each(["stop", "kill9"] as const)("%s: right after a restart, open or not", async (how) => {
    const flags = ["--max-bytes", "1000", "-m", "1"];
    const first = await start(flags);
    const [client, other] = [await first.connect(), await first.connect()];
    for (const [queue, size] of [
      ["a", 100],
      ["b", 200],
      ["b", 300],
      ["c", 250],
    ] as const) {
      expect(await offer(client, queue, size)).toBe("STORED");
    }
    expect(await other.take("b/open")).toHaveLength(200);
    expect(await other.take("a/open")).toHaveLength(100);
    expect(await other.take("a/close")).toBeUndefined();
    expect(await client.take("c")).toHaveLength(250);
    await first[how]();

    const second = await start(flags, { home: first.home });
    const after = await second.connect();
    expect(await offer(after, "a", 501)).toBe("NOT_STORED");
    expect(await offer(after, "a", 500)).toBe("STORED");
    expect(await offer(after, "a", 1)).toBe("NOT_STORED");
    after.send("get a b b\r\n");
    expect((await after.messages()).map(({ body }) => body.length)).toEqual([500, 200, 300]);
    expect(await offer(after, "a", 1000)).toBe("STORED");
    await second.stop();
  });

  test("what could not be committed takes no room, and gives none", async () => {
    const server = await start(["--max-bytes", "1000", "-D", "0"]);
    const client = await server.connect();
    expect(await offer(client, "a", 600)).toBe("STORED");
    const lock = new Database(join(server.home, "memcacheq.db"));
    lock.run("BEGIN IMMEDIATE");
    const failing = [
      () => offer(client, "a", 100),
      () => offer(client, "new", 100),
      () => client.ask("get a"),
      () => client.ask("flush a"),
      () => client.ask("delete a"),
    ];
    for (const command of failing) expect(await command()).toStartWith("SERVER_ERROR ");
    client.send(Buffer.concat([Buffer.from("delete a\r\n"), set("a", "b"), set("n", "b")]));
    for (let n = 0; n < 3; n++) expect(await client.line()).toStartWith("SERVER_ERROR ");
    lock.run("ROLLBACK");
    lock.close();
    expect(await offer(client, "b", 401)).toBe("NOT_STORED");
    expect(await offer(client, "b", 400)).toBe("STORED");
    expect(await offer(client, "b", 1)).toBe("NOT_STORED");
    client.send("stats queue\r\n");
    await expectLines(client, ["STAT a 1/0", "STAT b 1/0", "END"]);
    await server.stop();
  });
});
