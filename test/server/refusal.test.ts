/** What cannot be committed is told once: a close whose answer is that of a wait, a large get in parts. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";

import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { type Server, start, suite } from "./harness.ts";

suite();

const reason = /^SERVER_ERROR \S.*$/;

/** A client that has the only message of `q` open. */
async function opened(server: Server): Promise<Client> {
  const client = await server.connect();
  await client.put("q", "first");
  expect(await client.take("q/open")).toBe("first");
  return client;
}

/** The close is refused at once, and the message is back, time and again. */
async function expectRefused(client: Client): Promise<void> {
  for (let n = 0; n < 3; n++) {
    expect(await client.ask("get q/close/open/t=100000")).toMatch(reason);
    await client.inStep();
    expect(await client.take("q/open")).toBe("first");
  }
}

test("a close on a locked file", async () => {
  const server = await start(["-D", "0"]);
  const client = await opened(server);
  const other = new Database(join(server.home, "memcacheq.db"));
  other.run("BEGIN IMMEDIATE");
  await expectRefused(client);
  other.run("ROLLBACK");
  other.close();
  client.send("stats queue\r\nget q/close/open/t=1\r\nstats queue\r\n");
  await expectLines(client, ["STAT q 1/0", "END", "END", "STAT q 1/1", "END"]);
  await server.stop();
});

test("a close on a full disk", async () => {
  const limits = "trap '' XFSZ; ulimit -f 4000";
  const first = await start(["-B", "10000", "-m", "1"], { shell: limits });
  const client = await opened(first);
  // Sets until there is no room for one, and then gets, which need less of it.
  for (const request of [set("fill", "f".repeat(9000)), "get fill\r\n"]) {
    for (let n = 0; ; n++) {
      expect(n).toBeLessThan(5000);
      client.send(request);
      const answer = await client.line();
      if (reason.test(answer)) break;
      if (answer !== "STORED") await client.until("END\r\n");
    }
  }
  await expectRefused(client);
  await first.kill9();

  const second = await start(["-B", "10000"], { home: first.home });
  const reader = await second.connect();
  expect(await reader.take("q")).toBe("first");
  await second.stop();
});

test("a large get on a locked file is refused once, and takes nothing", async () => {
  const server = await start(["-D", "0", "-B", "1048576", "-m", "64"]);
  const client = await server.connect();
  const bodies = Array.from({ length: 8 }, (_, n) => `${n}`.repeat(1_048_576));
  for (const body of bodies) await client.put("q", body);
  const other = new Database(join(server.home, "memcacheq.db"));
  other.run("BEGIN IMMEDIATE");
  client.send(`get${" q".repeat(bodies.length)}\r\nversion\r\n`);
  expect(await client.line()).toMatch(reason);
  expect(await client.line()).toStartWith("VERSION ");
  other.run("ROLLBACK");
  other.close();
  for (const body of bodies) expect((await client.take("q")) === body).toBe(true);
  await server.stop();
});
