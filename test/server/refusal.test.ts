/** A close that fails is told, though its answer is that of a wait. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";

import { type Client, set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { type Server, start, suite } from "./harness.ts";

suite();

const reason = /^SERVER_ERROR \S.*$/;

/** A message of `q` that is open, and one in `next`. */
async function opened(server: Server): Promise<Client> {
  const client = await server.connect();
  await client.put("q", "first");
  await client.put("next", "x");
  expect(await client.take("q/open")).toBe("first");
  return client;
}

/** The close fails, and the message is the first of the queue when the server starts again. */
async function expectRefused(server: Server, client: Client): Promise<void> {
  const before = performance.now();
  expect(await client.ask("get q/close/t=100000")).toMatch(reason);
  expect(performance.now() - before).toBeLessThan(50_000);
  await client.inStep();
  expect(await client.ask("get q/close/open/t=1")).toMatch(reason);
  await client.inStep();
}

test("on a locked file", async () => {
  const server = await start(["-D", "0"]);
  const client = await opened(server);
  const other = new Database(join(server.home, "memcacheq.db"));
  other.run("BEGIN IMMEDIATE");
  await expectRefused(server, client);
  other.run("ROLLBACK");
  other.close();
  // It is open still: nothing of the close happened.
  client.send("get q/close/t=1\r\nstats queue\r\n");
  await expectLines(client, ["END", "STAT q 1/1", "STAT next 1/0", "END"]);
  await server.stop();
});

test("on a full disk", async () => {
  const limits = "trap '' XFSZ; ulimit -f 4000";
  const first = await start(["-B", "10000", "-m", "1"], { shell: limits });
  const client = await opened(first);
  const fill = async (request: Buffer | string, isDone: (answer: string) => boolean) => {
    for (let n = 0; n < 5000; n++) {
      client.send(request);
      const answer = await client.until("\r\n");
      if (answer.startsWith("SERVER_ERROR ")) return;
      expect(isDone(answer)).toBe(true);
    }
    throw new Error("the disk does not become full");
  };
  await fill(set("fill", "f".repeat(9000)), (answer) => answer === "STORED\r\n");
  // What changes one page only is to fail, too.
  await fill("delete next\r\nset next 0 0 1 noreply\r\nx\r\n", (answer) =>
    /^(DELETED|NOT_FOUND)\r\n$/.test(answer),
  );
  await expectRefused(first, client);
  await first.kill9();

  const second = await start(["-B", "10000"], { home: first.home });
  const reader = await second.connect();
  expect(await reader.take("q")).toBe("first");
  await second.stop();
});
