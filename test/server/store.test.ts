/** A store that can't commit: `SERVER_ERROR`, nothing stored, nothing lost, and it goes on when it can again. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { set } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { start, suite } from "./harness.ts";

suite();

const reason = /^SERVER_ERROR \S.*$/;

describe.each(["0", "50"])("another process's lock on the file, -D %s", (wait) => {
  test("sets, gets and deletes fail until it is released", async () => {
    const server = await start(["-D", wait]);
    const client = await server.connect();
    await client.put("q", "first", 1);

    const other = new Database(join(server.home, "memcacheq.db"));
    other.run("BEGIN IMMEDIATE");
    client.send(set("q", "never"));
    expect(await client.line()).toMatch(reason);
    client.send(set("new", "never"));
    expect(await client.line()).toMatch(reason);
    expect(await client.ask("get q")).toMatch(reason);
    expect(await client.ask("get q nothing q")).toMatch(reason);
    expect(await client.ask("delete q")).toMatch(reason);
    // Nothing has to be committed for these.
    expect(await client.ask("get nothing")).toBe("END");
    await client.inStep();
    client.send("set q 0 0 5 noreply\r\nnever\r\n");
    await client.inStep();
    other.run("ROLLBACK");
    other.close();

    client.send("stats queue\r\n");
    await expectLines(client, ["STAT q 1/0", "END"]);
    await client.put("q", "second", 2);
    client.send("gets q q q new\r\n");
    expect(await client.messages()).toEqual([
      { queue: "q", flags: 1, body: "first", number: 1 },
      { queue: "q", flags: 2, body: "second", number: 2 },
    ]);
    await server.stop();
  });
});

test("a lock that is released in time is waited for", async () => {
  const server = await start(["-D", "20000"]);
  const client = await server.connect();
  await client.put("q", "first");
  const other = new Database(join(server.home, "memcacheq.db"));
  other.run("BEGIN IMMEDIATE");
  client.send(set("q", "second"));
  // The server now waits; nothing tells when it began to.
  await Bun.sleep(50);
  other.run("ROLLBACK");
  other.close();
  expect(await client.line()).toBe("STORED");
  await server.stop();
});

/** No file may grow past this; the signal that would end the process is ignored. */
const smallDisk = (kilobytes: number) => `trap '' XFSZ; ulimit -f ${kilobytes * 2}`;

describe.each([
  ["durable", []],
  ["-N", ["-N"]],
])("a full disk, %s", (_name, flags) => {
  test("what was answered STORED is there, the rest was refused, and the server goes on", async () => {
    const first = await start(["-B", "10000", "-m", "1", ...flags], { shell: smallDisk(2000) });
    const client = await first.connect();
    const body = (n: number) => `${n};`.repeat(2000).slice(0, 9000);
    const stored: string[] = [];
    for (let refused = 0, n = 0; refused < 20; n++) {
      client.send(set("q", body(n)));
      const answer = await client.line();
      if (answer === "STORED") stored.push(body(n));
      else {
        expect(answer).toMatch(reason);
        refused++;
      }
      expect(n).toBeLessThan(5000);
    }
    expect(stored.length).toBeGreaterThan(50);
    await client.inStep();

    // A get is a commit too: each either gives the next message or fails and leaves it.
    const taken: string[] = [];
    for (let n = 0; n < 10; n++) {
      client.send("get q\r\n");
      const head = await client.line();
      if (head.startsWith("SERVER_ERROR ")) continue;
      expect(head).toBe("VALUE q 0 9000");
      taken.push((await client.read(9000)).toString("latin1"));
      expect(await client.until("END\r\n")).toBe("\r\nEND\r\n");
    }
    expect(taken).toEqual(stored.slice(0, taken.length));
    client.send("stats queue\r\n");
    await expectLines(client, [`STAT q ${stored.length}/${taken.length}`, "END"]);
    await first.stop();

    const second = await start(["-B", "10000", ...flags], { home: first.home });
    const after = await second.connect();
    after.send("stats queue\r\n");
    await expectLines(after, [`STAT q ${stored.length}/${taken.length}`, "END"]);
    after.send(`get${" q".repeat(stored.length + 1)}\r\n`);
    const left = (await after.messages()).map((message) => message.body);
    expect(left).toEqual(stored.slice(taken.length));
    await second.stop();
  });
});
