/** `flush` and `flush_all`: what goes, what stays, and what is left on disk. */
import { Database } from "bun:sqlite";
import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { type Client, set } from "./client.ts";
import { expectLines, talk } from "./conversation.ts";
import { eventually, type Server, start, suite } from "./harness.ts";
import { beginWaiting } from "./waiter.ts";

suite();

const KB = 1024;

let server: Server;
let client: Client;
let other: Client;
beforeAll(async () => {
  server = await start(["-m", "1", "-B", `${100 * KB}`]);
});
beforeEach(async () => {
  [client, other] = [await server.connect(), await server.connect()];
  for (const queue of ["a", "b", "q"]) await client.ask(`delete ${queue}`);
});

async function expectDetails(of: Client, queue: string, text: string): Promise<void> {
  of.send(`stats queue ${queue}\r\n`);
  const lines = (await of.until("END\r\n")).split("\r\n").slice(0, -2);
  const rows = lines.map((line) => line.split(" ").slice(1));
  const found = Object.fromEntries(rows);
  const { messages, bytes, open, sets, gets } = found;
  expect(`${sets}/${gets}, ${messages} of ${bytes} bytes, ${open} open`).toBe(text);
}

test("the messages count as got, and numbers go on", async () => {
  await talk(
    client,
    `> set q 0 0 1
     > 1
     > set q 0 0 1
     > 2
     > get q
     > flush q
     > get q q/peek
     > stats queue
     > set q 0 0 1
     > 3
     > gets q
     < STORED
     < STORED
     < VALUE q 0 1
     < 1
     < END
     < END
     < END
     < STAT q 2/2
     < END
     < STORED
     < VALUE q 0 1 3
     < 3
     < END`,
  );
  await expectDetails(client, "q", "3/3, 0 of 0 bytes, 0 open");
});

test("an unknown queue is END, and is not made; without a name ERROR", async () => {
  await talk(
    client,
    `> flush q
     > flush q noreply
     > flush
     > flush q/peek
     > flush q 0
     > flush ${"n".repeat(251)}
     > stats queue q
     < END
     < ERROR
     < CLIENT_ERROR a slash has no place in the name here, it begins the options of a get
     < CLIENT_ERROR bad command line format
     < CLIENT_ERROR bad command line format
     < END`,
  );
});

test("other queues are left alone", async () => {
  for (const queue of ["a", "b"]) await client.put(queue, queue);
  expect(await client.ask("flush a")).toBe("END");
  expect(await client.take("a")).toBeUndefined();
  expect(await client.take("b")).toBe("b");
});

test("again and again, with nothing in it", async () => {
  await client.put("q", "x");
  for (let n = 0; n < 3; n++) expect(await client.ask("flush q")).toBe("END");
  expect(await client.ask("flush_all")).toBe("OK");
  await expectDetails(client, "q", "1/1, 0 of 0 bytes, 0 open");
});

describe.each([
  ["flush q", "END"],
  ["flush_all", "OK"],
  ["flush_all 0", "OK"],
])("%s", (command, answer) => {
  test("in the middle of one write", async () => {
    client.send(Buffer.concat([set("q", "1"), set("q", "2"), Buffer.from("get q/open\r\n")]));
    client.send(Buffer.concat([Buffer.from(`${command}\r\n`), set("q", "3")]));
    client.send("get q\r\nget q\r\nget q/abort\r\ngets q q\r\n");
    const value = (key: string, body: string) => [`VALUE ${key}`, body, "END"];
    await expectLines(client, [
      ...["STORED", "STORED", ...value("q/open 0 1", "1"), answer, "STORED"],
      ...[...value("q 0 1", "3"), "END", "END", ...value("q 0 1 1", "1")],
    ]);
    await expectDetails(client, "q", "3/3, 0 of 0 bytes, 0 open");
  });

  test("open messages stay with their connections; what was put back goes", async () => {
    for (const body of ["1", "22", "333", "4444"]) await client.put("q", body);
    expect(await client.take("q/open")).toBe("1");
    expect(await other.take("q/open")).toBe("22");
    expect(await client.take("q/abort")).toBeUndefined();
    expect(await client.ask(command)).toBe(answer);
    await expectDetails(client, "q", "4/3, 1 of 2 bytes, 1 open");
    expect(await client.take("q")).toBeUndefined();
    await client.put("q", "55555");
    expect(await other.take("q/abort")).toBeUndefined();
    client.send("get q/peek q/open\r\nget q/close\r\n");
    expect((await client.messages()).map(({ body }) => body)).toEqual(["22", "22"]);
    expect(await client.messages()).toEqual([]);
    await expectDetails(client, "q", "5/4, 1 of 5 bytes, 0 open");
    expect(await client.take("q")).toBe("55555");
  });

  test("without an answer", async () => {
    await client.put("q", "x");
    client.send(`${command} noreply\r\n`);
    await client.inStep();
    await expectDetails(client, "q", "1/1, 0 of 0 bytes, 0 open");
  });
});

test("flush_all with a delay changes nothing", async () => {
  await client.put("q", "x");
  await talk(
    client,
    `> flush_all 5
     > flush_all 5 noreply
     > flush_all soon
     > flush_all 0 0
     < CLIENT_ERROR a delay other than 0 is not possible
     < CLIENT_ERROR bad command line format
     < CLIENT_ERROR bad command line format`,
  );
  expect(await client.take("q")).toBe("x");
});

test("those who wait go on waiting, and are not given what is flushed", async () => {
  await beginWaiting(other, "q/t=60000");
  client.send(Buffer.concat([Buffer.from("flush q\r\nflush_all\r\n"), set("q", "x")]));
  await expectLines(client, ["END", "OK", "STORED"]);
  expect((await other.messages()).map(({ body }) => body)).toEqual(["x"]);
});

describe.each(["stop", "kill9"] as const)("%s", (how) => {
  test.each([[[]], [["-N"]]])("a flush is as lasting as a get, %j", async (flags: string[]) => {
    const first = await start(flags);
    const before = await first.connect();
    const holder = await first.connect();
    for (let n = 0; n < 100; n++) await before.put(`q${n % 3}`, `${n}`);
    expect(await holder.take("q0/open")).toBe("0");
    expect(await before.ask("flush q0")).toBe("END");
    expect(await before.ask("flush q1")).toBe("END");
    await first[how]();

    const second = await start(flags, { home: first.home });
    const after = await second.connect();
    await expectDetails(after, "q0", "34/33, 1 of 1 bytes, 0 open");
    await expectDetails(after, "q1", "33/33, 0 of 0 bytes, 0 open");
    expect(await after.take("q0")).toBe("0");
    expect(await after.take("q0")).toBeUndefined();
    expect(await after.take("q1")).toBeUndefined();
    expect(await after.take("q2")).toBe("2");
    expect(await after.ask("flush_all")).toBe("OK");
    await second[how]();

    const third = await start(flags, { home: first.home });
    const last = await third.connect();
    last.send("stats queue\r\nget q0 q1 q2\r\n");
    await expectLines(last, ["STAT q0 34/34", "STAT q1 33/33", "STAT q2 33/33", "END", "END"]);
    await third.stop();
  });
});

test("a queue much deeper than memory, with its tail in the same write", async () => {
  const count = 3000;
  for (let n = 0; n < count; n += 500) {
    const batch = Array.from({ length: 500 }, (_, k) => set("q", `${n + k};`.repeat(400)));
    client.send(Buffer.concat(batch));
    await expectLines(client, Array<string>(500).fill("STORED"));
  }
  expect(await other.take("q/open")).toBe("0;".repeat(400));
  client.send(Buffer.concat([set("q", "before"), Buffer.from("flush q\r\n"), set("q", "after")]));
  await expectLines(client, ["STORED", "END", "STORED"]);
  await expectDetails(client, "q", `${count + 2}/${count}, 2 of 805 bytes, 1 open`);
  expect(await client.take("q")).toBe("after");
  expect(await client.take("q")).toBeUndefined();
  expect(await other.take("q/close")).toBeUndefined();

  using database = new Database(join(server.home, "memcacheq.db"), { readonly: true });
  const segments = database.query<{ count: number }, []>("SELECT count(*) AS count FROM segment");
  await eventually("what was flushed to leave the disk", () =>
    segments.get()?.count === 0 ? true : undefined,
  );
});

test("many queues at once", async () => {
  const names = Array.from({ length: 2000 }, (_, n) => `many-${n}`);
  client.send(Buffer.concat(names.map((name) => set(name, name))));
  await expectLines(client, Array<string>(names.length).fill("STORED"));
  expect(await client.ask("flush_all")).toBe("OK");
  client.send("stats queue\r\n");
  await expectLines(client, [...names.map((name) => `STAT ${name} 1/1`), "END"]);
  client.send(names.map((name) => `delete ${name} noreply\r\n`).join(""));
  await client.inStep();
});

test("a flush that can't be committed changes nothing", async () => {
  const busy = await start(["-D", "0"]);
  const asker = await busy.connect();
  for (const queue of ["a", "b"]) for (const body of ["1", "2"]) await asker.put(queue, body);
  expect(await asker.take("a/open")).toBe("1");
  const lock = new Database(join(busy.home, "memcacheq.db"));
  lock.run("BEGIN IMMEDIATE");
  for (const command of ["flush a", "flush_all"]) {
    expect(await asker.ask(command)).toStartWith("SERVER_ERROR ");
  }
  lock.run("ROLLBACK");
  lock.close();
  await expectDetails(asker, "a", "2/0, 2 of 2 bytes, 1 open");
  asker.send("get a a b b\r\n");
  expect((await asker.messages()).map(({ body }) => body)).toEqual(["2", "1", "2"]);
  expect(await asker.take("a/close")).toBeUndefined();
  await expectDetails(asker, "a", "2/2, 0 of 0 bytes, 0 open");
  await busy.stop();
});
