/** Many times `-m` in the queues: memory stays bounded, and everything comes back in order. */
import { describe, expect, test } from "bun:test";

import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { memoryOf, start, suite } from "./harness.ts";

suite();

const MB = 1024 * 1024;

/** A body that depends on its number, of exactly `size` bytes. */
function body(number: number, size: number): Buffer {
  return Buffer.alloc(size, `${number};`);
}

/** Appends messages `from` to `to` in turn to the queues, a bounded number of bytes ahead. */
async function fill(
  client: Client,
  from: number,
  to: number,
  queue: (n: number) => string,
  size: (n: number) => number,
): Promise<void> {
  let waiting = 0;
  let unread = 0;
  for (let n = from; n < to; n++) {
    client.send(set(queue(n), body(n, size(n)), n));
    waiting++;
    unread += size(n);
    if (unread < MB && n < to - 1) continue;
    await expectLines(client, Array<string>(waiting).fill("STORED"));
    [waiting, unread] = [0, 0];
  }
}

/** Takes the next message of a queue, and checks that it is message `n`. */
async function expectMessage(
  client: Client,
  queue: string,
  n: number,
  size: number,
): Promise<void> {
  expect(await client.line()).toBe(`VALUE ${queue} ${n} ${size}`);
  const got = await client.read(size);
  if (!got.equals(body(n, size))) throw new Error(`message ${n} of ${queue} has another body`);
  expect(await client.until("END\r\n")).toBe("\r\nEND\r\n");
}

async function expectMessages(
  client: Client,
  numbers: readonly number[],
  queue: (n: number) => string,
  size: (n: number) => number,
): Promise<void> {
  for (let at = 0; at < numbers.length; at += 64) {
    const some = numbers.slice(at, at + 64);
    client.send(some.map((n) => `get ${queue(n)}\r\n`).join(""));
    for (const n of some) await expectMessage(client, queue(n), n, size(n));
  }
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

describe("-m 1", () => {
  test("200,000 small messages in one queue", async () => {
    const server = await start(["-m", "1", "-N"]);
    const client = await server.connect();
    const queue = () => "deep";
    const size = (n: number) => 60 + (n % 80);
    await fill(client, 0, 20_000, queue, size);
    const early = memoryOf(server.pid);
    await fill(client, 20_000, 200_000, queue, size);
    // One object a message would be 50 MB and more.
    expect(memoryOf(server.pid) - early).toBeLessThan(40 * MB);
    await expectMessages(client, upTo(200_000), queue, size);
    expect(await client.take("deep")).toBeUndefined();
    expect(memoryOf(server.pid) - early).toBeLessThan(40 * MB);
    await server.stop();
  });

  test("mixed sizes up to 1 MB", async () => {
    const server = await start(["-m", "1", "-N", "-B", `${MB}`]);
    const client = await server.connect();
    const sizes = [0, 1, 100, 5000, 40_000, 65_535, 65_536, 300_000, MB - 1, MB];
    const queue = () => "mixed";
    const size = (n: number) => sizes[(n * 7) % sizes.length] ?? 0;
    await fill(client, 0, 100, queue, size);
    const early = memoryOf(server.pid);
    await fill(client, 100, 400, queue, size);
    await expectMessages(client, upTo(400), queue, size);
    expect(memoryOf(server.pid) - early).toBeLessThan(60 * MB);
    expect(await client.take("mixed")).toBeUndefined();
    await server.stop();
  });

  test("deep queues interleaved, read in another order than written, over a restart", async () => {
    const first = await start(["-m", "1", "-N"]);
    const writer = await first.connect();
    const queues = 8;
    const queue = (n: number) => `q${n % queues}`;
    const size = (n: number) => n % 1000;
    await fill(writer, 0, 32_000, queue, size);
    const early = upTo(32_000).filter((n) => n % queues < 4 && n < 16_000);
    await expectMessages(writer, early, queue, size);
    await fill(writer, 32_000, 34_000, queue, size);
    await first.stop();

    const second = await start(["-m", "1", "-N"], { home: first.home });
    const reader = await second.connect();
    for (let at = queues - 1; at >= 0; at--) {
      const left = upTo(34_000).filter((n) => n % queues === at && (at >= 4 || n >= 16_000));
      await expectMessages(reader, left, queue, size);
      expect(await reader.take(`q${at}`)).toBeUndefined();
    }
    await second.stop();
  });

  test("a consumer that stays just behind a producer, across what memory holds", async () => {
    const server = await start(["-m", "1", "-N"]);
    const client = await server.connect();
    const queue = () => "wave";
    const size = (n: number) => 200 + (n % 300);
    let read = 0;
    for (let wave = 1; wave <= 8; wave++) {
      await fill(client, (wave - 1) * 5000, wave * 5000, queue, size);
      const until = wave === 8 ? 40_000 : wave * 5000 - (wave % 2 ? 4000 : 3);
      await expectMessages(
        client,
        upTo(until).filter((n) => n >= read),
        queue,
        size,
      );
      read = until;
    }
    expect(await client.take("wave")).toBeUndefined();
    await server.stop();
  });
});
