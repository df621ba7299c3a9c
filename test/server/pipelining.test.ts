/** Commands that are sent without waiting, and cut in pieces at any place. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { bytes, set, type Client } from "./client.ts";
import { expectLines, turns } from "./conversation.ts";
import { conversations } from "./conversations.ts";
import { start, suite, type Server } from "./harness.ts";

suite();

let server: Server;
let client: Client;
/** Its answers tell that what the other one sent before has been read. */
let barrier: Client;
beforeAll(async () => {
  server = await start();
  client = await server.connect();
  barrier = await server.connect();
});
afterAll(() => server.stop());

/** A stream of commands on a few queues, and the answers that a list of arrays would give. */
function stream(commands: number, prefix: string): { sent: Buffer; answered: string } {
  const queues = new Map<string, string[]>();
  const sent: Buffer[] = [];
  const answers: string[] = [];
  for (let n = 0; n < commands; n++) {
    const name = `${prefix}${n % 7}`;
    const queue = queues.get(name) ?? [];
    queues.set(name, queue);
    if (n % 5 < 3) {
      queue.push(`${n}`.repeat(n % 13));
      sent.push(set(name, queue.at(-1) ?? "", n % 7));
      answers.push("STORED\r\n");
    } else if (n % 997 === 3) {
      sent.push(bytes(`delete ${name}\r\n`));
      answers.push(queues.delete(name) ? "DELETED\r\n" : "NOT_FOUND\r\n");
    } else {
      sent.push(bytes(`get ${name}\r\n`));
      const body = queue.shift();
      const found = body === undefined ? "" : `VALUE ${name} ${n % 7} ${body.length}\r\n${body}\r\n`;
      answers.push(`${found}END\r\n`);
    }
  }
  return { sent: Buffer.concat(sent), answered: answers.join("") };
}

test("10,000 commands in one write are answered in order", async () => {
  const { sent, answered } = stream(10_000, "one");
  client.send(sent);
  expect((await client.read(answered.length)).toString("latin1")).toBe(answered);
  await client.inStep();
});

test("eight connections with 2,000 commands each, all at once", async () => {
  const streams = Array.from({ length: 8 }, (_, n) => stream(2000, `c${n}-`));
  const clients = await Promise.all(streams.map(() => server.connect()));
  clients.forEach((each, n) => each.send(streams[n]?.sent ?? ""));
  for (const [n, { answered }] of streams.entries()) {
    expect((await clients[n]?.read(answered.length))?.toString("latin1")).toBe(answered);
    await clients[n]?.inStep();
  }
});

test("quit is answered by the end of the connection, after all that came before it", async () => {
  const { sent, answered } = stream(2000, "quit");
  const leaving = await server.connect();
  leaving.send(sent);
  leaving.send("quit\r\nset late 0 0 1\r\nx\r\n");
  expect(await leaving.rest()).toBe(answered);
  expect(await client.take("late")).toBeUndefined();
});

/** Sends the pieces so that the server reads each by itself, and checks the answers to all of them. */
async function sendApart(pieces: readonly Buffer[], answers: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    client.send(piece);
    await barrier.inStep();
  }
  await expectLines(client, answers);
}

/** Long ones would take long and show nothing that the short ones don't. */
const short = conversations
  .map(([title, text]) => {
    const all = turns(text);
    const sent = Buffer.concat(all.map((turn) => turn.sent));
    return { title, sent, answers: all.flatMap((turn) => turn.answers) };
  })
  .filter(({ sent }) => sent.length < 450);

describe("cut in pieces", () => {
  test.each(short)("$title", async ({ sent, answers }) => {
    await sendApart([sent], answers);
    for (let at = 1; at < sent.length; at++) {
      await sendApart([sent.subarray(0, at), sent.subarray(at)], answers);
    }
    await sendApart(
      Array.from(sent, (byte) => Buffer.of(byte)),
      answers,
    );
    await client.inStep();
  });

  test("the long conversations are in the set that is not cut", () => {
    expect(short.length).toBeGreaterThan(conversations.length / 2);
  });
});

test.each([1, 7, 1000, 65_535, 65_536, 65_537])("a large body in pieces of %d bytes", async (size) => {
  const big = await start(["-B", "1000000"]);
  const [sender, waiter] = [await big.connect(), await big.connect()];
  const body = bytes("0123456789abcdef\r\n".repeat(size === 1 ? 50 : 20_000).slice(0, size * 300));
  const sent = Buffer.concat([set("q", body, 5), bytes("get q\r\n")]);
  for (let at = 0; at < sent.length; at += size) {
    sender.send(sent.subarray(at, at + size));
    await waiter.inStep();
  }
  expect(await sender.line()).toBe("STORED");
  expect(await sender.messages()).toEqual([{ queue: "q", flags: 5, body: body.toString("latin1") }]);
  await big.stop();
});
