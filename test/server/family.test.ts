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
    expect(await client.ask("mg q/close/t=10 v")).toBe("HD");
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

describe("commands in any case", () => {
  /** What is sent, and all that is answered; Q is another queue than q. */
  const conversations: readonly (readonly [sent: string, answered: string])[] = [
    ["SET q 0 0 9\r\nflush_all\r\n", "STORED\r\n"],
    ["Set q 7 0 3\r\none\r\n", "STORED\r\n"],
    ["GET q\r\n", "VALUE q 0 9\r\nflush_all\r\nEND\r\n"],
    ["gEtS q\r\n", "VALUE q 7 3 2\r\none\r\nEND\r\n"],
    ["ADD q 0 0 9\r\nflush_all\r\n", "CLIENT_ERROR add has no meaning for a queue, use set\r\n"],
    ["SET q 0 0 4 noreply\r\nquit\r\nGET q\n", "VALUE q 0 4\r\nquit\r\nEND\r\n"],
    ["MS q 3 F7 c\r\ntwo\r\n", "HD c4\r\n"],
    ["Ms q 9\r\nflush_all\r\n", "HD\r\n"],
    [
      "MG q/PEEK v\r\n",
      "CLIENT_ERROR unknown option PEEK, known are t=<ms>, open, close, abort, peek, or=<queue>, pause=<seconds>, resume\r\n",
    ],
    ["MG q v f\r\nmG q s\r\n", "VA 3 f7\r\ntwo\r\nHD s9\r\n"],
    ["MG q v\r\nMN\r\n", "EN\r\nMN\r\n"],
    [
      "GET q/CLOSE\r\n",
      "CLIENT_ERROR unknown option CLOSE, known are t=<ms>, open, close, abort, peek, or=<queue>, pause=<seconds>, resume\r\n",
    ],
    ["FLUSH q\r\nFlush_All\r\n", "END\r\nOK\r\n"],
    ["STATS queue\n", "STAT q 5/5\r\nEND\r\n"],
    ["ME none\r\n", "EN\r\n"],
    ["Delete Q\r\nDELETE q\r\nMD q\r\n", "NOT_FOUND\r\nDELETED\r\nNF\r\n"],
    ["VERBOSITY 1\r\n", "OK\r\n"],
    ["INCR q 1\r\nTOUCH q 1 noreply\r\nERRO\r\n", "ERROR\r\nERROR\r\n"],
  ];
  const sent = conversations.map(([text]) => text).join("");
  const answered = conversations.map(([, text]) => text).join("");

  test("each by itself", async () => {
    for (const [text, answer] of conversations) {
      client.send(text);
      expect(await client.until(answer)).toBe(answer);
    }
    await client.inStep();
  });

  test("all at once, cut at any byte", async () => {
    const other = await server.connect();
    for (let cut = 0; cut < sent.length; cut++) {
      client.send(sent.slice(0, cut));
      await other.inStep();
      client.send(sent.slice(cut));
      expect(await client.until(answered)).toBe(answered);
    }
    await client.inStep();
  });

  test("STATS is answered to its END", async () => {
    client.send("STATS\n");
    expect(await client.until("END\r\n")).toStartWith("STAT pid ");
    expect(await client.ask("Version")).toBe(await client.ask("version"));
    const other = await server.connect();
    other.send("QUIT\r\n");
    expect(await other.rest()).toBe("");
  });

  test("a line of HTTP still ends the connection, whatever its case", async () => {
    for (const line of [
      "GET / HTTP/1.1",
      "Get q HTTP/1.0",
      "SET q 0 0 HTTP/1.1",
      "post / HTTP/1.1",
    ]) {
      const browser = await server.connect();
      browser.send(`${line}\r\nset q 0 0 1\r\nx\r\n`);
      expect(await browser.rest()).toBe("ERROR\r\n");
    }
    expect(await client.take("q")).toBeUndefined();
  });
});
