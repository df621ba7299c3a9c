/** What clients of Kestrel, Siberite, Darner and Starling send is understood, in text and in meta commands. */
import { beforeAll, beforeEach, describe, expect, test } from "bun:test";

import type { Client } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { type Server, start, suite } from "./harness.ts";

suite();

let server: Server;
let client: Client;
beforeAll(async () => {
  server = await start();
  client = await server.connect();
});
beforeEach(async () => {
  expect(await client.ask("delete q")).toMatch(/^(DELETED|NOT_FOUND)$/);
});

async function expectCounters(counters: string): Promise<void> {
  client.send("stats queue\r\n");
  await expectLines(client, [`STAT q ${counters}`, "END"]);
}

describe("a client that adds a time to every get", () => {
  test.each(["close/t=10", "t=10/close", "close/t=2147483647", "close/close/t=1/t=2", "close/"])(
    "q/%s closes the open message",
    async (options) => {
      await client.put("q", "one");
      expect(await client.take("q/open/t=10")).toBe("one");
      expect(await client.ask(`get q/${options}`)).toBe("END");
      await expectCounters("1/1");
      expect(await client.ask(`get q/${options}`)).toBe("END");
    },
  );

  test.each(["abort/t=10", "t=10/abort/", "abort/abort"])(
    "q/%s gives the open message back",
    async (options) => {
      await client.put("q", "one");
      expect(await client.take("q/open/t=10")).toBe("one");
      expect(await client.ask(`get q/${options}`)).toBe("END");
      await expectCounters("1/0");
      expect(await client.take("q/")).toBe("one");
    },
  );

  test("in meta commands", async () => {
    await client.put("q", "one");
    expect(await client.ask("mg q/open/open/t=10 c")).toBe("HD c1");
    expect(await client.ask("mg q/abort/t=10 v")).toBe("EN");
    expect(await client.ask("mg q/open/ c")).toBe("HD c1");
    expect(await client.ask("mg q/close/t=10 v")).toBe("EN");
    await expectCounters("1/1");
  });

  test("of two times the last one counts", async () => {
    client.send("get q/t=2147483647/t=0\r\n");
    expect(await client.line()).toBe("END");
  });

  test("several keys that close, each with a time", async () => {
    for (const name of ["q", "other"]) await client.put(name, name);
    expect(await client.take("q/open")).toBe("q");
    expect(await client.take("other/open")).toBe("other");
    expect(await client.ask("get q/close/t=10 other/close/t=10")).toBe("END");
    client.send("stats queue\r\n");
    await expectLines(client, ["STAT q 1/1", "STAT other 1/1", "END"]);
    expect(await client.ask("delete other")).toBe("DELETED");
  });

  test("a wait of a time behind a message that was closed is still a wait", async () => {
    await client.put("q", "one");
    expect(await client.take("q/open")).toBe("one");
    client.send("get q/close/t=1000000/open/t=100000\r\n");
    const other = await server.connect();
    await other.put("q", "two");
    expect((await client.messages()).map(({ body }) => body)).toEqual(["two"]);
    expect(await client.ask("get q/close/t=0")).toBe("END");
  });
});
