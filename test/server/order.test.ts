/** One connection's answers stay in their order, and are one each, whoever else the same turn serves. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";

import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { isShared, type Server, start, suite, whileStopped } from "./harness.ts";

suite();

const reason = /^SERVER_ERROR \S.*$/;

/** A connection that waits for a message of `queue`, and has sent `rest` behind that. */
async function waiter(server: Server, queue: string, rest = ""): Promise<Client> {
  const waiting = await server.connect();
  await waiting.inStep();
  waiting.send(`get ${queue}/t=100000\r\n${rest}`);
  await (await server.connect()).inStep();
  return waiting;
}

test("who is woken in the turn in which it sends more gets its message first", async () => {
  const server = await start();
  const setting = await server.connect();
  await setting.inStep();
  const waiting = await waiter(server, "q");
  const version = await setting.ask("version");
  for (let n = 0; n < 10; n++) {
    await whileStopped(server.pid, () => {
      setting.send(set("q", `${n}`));
      waiting.send("stats queue nope\r\nversion\r\nstats queue nope\r\nget q/t=100000\r\n");
    });
    await expectLines(setting, ["STORED"]);
    await expectLines(waiting, ["VALUE q/t=100000 0 1", `${n}`, "END", "END", version, "END"]);
  }
  await server.stop();
});

test("what a woken connection had sent behind its wait is no part of another's answer", async () => {
  const server = await start();
  const other = await server.connect();
  for (let n = 0; n < 10; n++) {
    const waiting = await waiter(server, "wake", set("q", "x").toString());
    other.send(`${set("wake", "a").toString()}stats queue q\r\n`);
    // Whether the other's message is in it is open, but it is an answer.
    expect(await other.line()).toBe("STORED");
    expect(await other.until("END\r\n")).toMatch(/^(STAT \S+ \d+\r\n)*END\r\n$/);
    await expectLines(waiting, ["VALUE wake/t=100000 0 1", "a", "END", "STORED"]);
    await waiting.end();
  }
  await server.stop();
});

/** A server with messages of 30,000 bytes in `big`, a small one in `small`, and one in `lost` that can't be read. */
async function damaged(): Promise<Server> {
  const first = await start(["-B", "65535"]);
  const client = await first.connect();
  await client.put("lost", "x");
  await client.put("small", "s");
  for (const letter of "ABC") await client.put("big", letter.repeat(30_000));
  await first.stop();
  const database = new Database(join(first.home, "memcacheq.db"));
  database.run(
    "DELETE FROM segment WHERE key >> 43 = (SELECT id FROM queue WHERE name = x'6c6f7374')",
  );
  database.close();
  // What is read from the disk is not to end the turn early.
  return start(["-B", "65535", "-L", "1024"], { home: first.home });
}

// It is about the file.
if (!isShared) {
  test.each([
    [
      "the failed get has nothing yet, the woken one much",
      "get lost",
      "get big",
      "A".repeat(30_000),
    ],
    ["the failed get has much already, the woken one little", "get big lost", "get small", "s"],
  ])(
    "a get that fails while another is woken has one answer: %s",
    async (_title, failing, behind, body) => {
      const server = await damaged();
      const other = await server.connect();
      const version = await other.ask("version");
      const waiting = await waiter(server, "wake", `${behind}\r\n`);
      other.send(`${set("wake", "a").toString()}${failing}\r\nversion\r\n`);
      // The get alone fails, and only from its lost key on: the set is done, and brings the waiting client its message.
      expect(await other.line()).toBe("STORED");
      for (const queue of failing.split(" ").slice(1, -1)) {
        expect(await other.line()).toBe(`VALUE ${queue} 0 30000`);
        await other.read(30_000 + "\r\n".length);
      }
      expect(await other.line()).toMatch(reason);
      expect(await other.line()).toBe(version);
      expect(await waiting.line()).toBe("VALUE wake/t=100000 0 1");
      expect(await waiting.until("END\r\n")).toBe("a\r\nEND\r\n");
      waiting.send("version\r\n");
      const answer = `VALUE ${behind.slice("get ".length)} 0 ${body.length}\r\n${body}\r\nEND\r\n`;
      expect(await waiting.until("END\r\n")).toBe(answer);
      await expectLines(waiting, [version]);
      await server.stop();
    },
  );
}
