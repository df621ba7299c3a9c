/** Commands that are sent without waiting, and cut in pieces at any place. */
import { beforeAll, describe, expect, test } from "bun:test";

import { bytes, type Client, set } from "./client.ts";
import { expectLines, turns } from "./conversation.ts";
import { conversations } from "./conversations.ts";
import { type Server, start, suite } from "./harness.ts";

suite();

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await start(["-B", "65535"]);
  client = await server.connect();
});

/** A stream of commands on a few queues, and the answers that a list of arrays would give. */
function stream(commands: number, prefix: string): { sent: Buffer; answered: string } {
  const queues = new Map<string, string[]>();
  const sent: Buffer[] = [];
  const answers: string[] = [];
  for (let n = 0; n < commands; n++) {
    const name = `${prefix}${n % 7}`;
    const flags = n % 7;
    if (n % 5 < 3) {
      const body = `${n}`.repeat(n % 211 === 0 ? 5000 : n % 13);
      queues.set(name, [...(queues.get(name) ?? []), body]);
      sent.push(set(name, body, flags));
      answers.push("STORED\r\n");
    } else if (n % 97 === 3) {
      sent.push(bytes(`delete ${name}\r\n`));
      answers.push(queues.delete(name) ? "DELETED\r\n" : "NOT_FOUND\r\n");
    } else {
      sent.push(bytes(`get ${name}\r\n`));
      const body = queues.get(name)?.shift();
      const value = `VALUE ${name} ${flags} ${body?.length}\r\n${body}\r\n`;
      answers.push(body === undefined ? "END\r\n" : `${value}END\r\n`);
    }
  }
  return { sent: Buffer.concat(sent), answered: answers.join("") };
}

/** Where two texts begin to differ. */
function difference(one: string, other: string): number {
  let at = 0;
  while (at < Math.max(one.length, other.length) && one[at] === other[at]) at++;
  return at;
}

/** Shows the place of the first wrong answer only. */
async function expectAnswers(client: Client, answered: string): Promise<void> {
  const got = (await client.read(answered.length)).toString("latin1");
  const at = difference(got, answered);
  expect(got.slice(at, at + 300)).toBe(answered.slice(at, at + 300));
  await client.inStep();
}

test("10,000 commands in one write are answered in order", async () => {
  const { sent, answered } = stream(10_000, "one");
  client.send(sent);
  await expectAnswers(client, answered);
});

test("eight connections with 2,000 commands each, all at once", async () => {
  const streams = Array.from({ length: 8 }, (_, n) => stream(2000, `c${n}-`));
  const clients = await Promise.all(streams.map(() => server.connect()));
  clients.forEach((each, n) => each.send(streams[n]?.sent ?? ""));
  await Promise.all(clients.map((each, n) => expectAnswers(each, streams[n]?.answered ?? "")));
});

test("quit is answered by the end of the connection, after all that came before it", async () => {
  const { sent, answered } = stream(2000, "quit");
  const leaving = await server.connect();
  leaving.send(sent);
  leaving.send("quit\r\nset late 0 0 1\r\nx\r\n");
  leaving.send("x".repeat(1_000_000));
  const rest = await leaving.rest();
  expect(rest.slice(difference(rest, answered))).toBe("");
  expect(await client.take("late")).toBeUndefined();
});

/** A new connection that the server has accepted. */
async function accepted(from: Server): Promise<Client> {
  const found = await from.connect();
  await found.inStep();
  return found;
}

/** Sends the pieces so that the server reads each by itself: what it answers to another client tells that it did. */
async function sendApart(sender: Client, barrier: Client, pieces: Iterable<Buffer>): Promise<void> {
  for (const piece of pieces) {
    sender.send(piece);
    await barrier.inStep();
  }
}

/** A buffer in pieces of `size` bytes. */
function* cut(whole: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
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
  let sender: Client;
  let barrier: Client;
  beforeAll(async () => {
    const fresh = await start();
    sender = await accepted(fresh);
    barrier = await accepted(fresh);
  });

  test.each(short)("$title", async ({ sent, answers }) => {
    for (let at = 0; at < sent.length; at++) {
      await sendApart(sender, barrier, [sent.subarray(0, at), sent.subarray(at)]);
      await expectLines(sender, answers);
    }
    await sendApart(sender, barrier, cut(sent, 1));
    await expectLines(sender, answers);
    await sender.inStep();
  });

  test("most conversations are short enough for this", () => {
    expect(short.length).toBeGreaterThan(conversations.length / 2);
  });
});

describe("a large body", () => {
  let sender: Client;
  let barrier: Client;
  beforeAll(async () => {
    const fresh = await start(["-B", "1000000"]);
    sender = await accepted(fresh);
    barrier = await accepted(fresh);
  });

  test.each([
    [1, 1000],
    [7, 5000],
    [1000, 300_000],
    [65_535, 1_000_000],
    [65_536, 1_000_000],
    [65_537, 1_000_000],
  ])("in pieces of %d bytes", async (size, length) => {
    const body = Buffer.alloc(length, "0123456789abcdef\r\n");
    await sendApart(
      sender,
      barrier,
      cut(Buffer.concat([set("q", body, 5), bytes("get q\r\n")]), size),
    );
    expect(await sender.line()).toBe("STORED");
    expect(await sender.line()).toBe(`VALUE q 5 ${length}`);
    expect((await sender.read(length)).equals(body)).toBe(true);
    expect(await sender.until("END\r\n")).toBe("\r\nEND\r\n");
  });
});
