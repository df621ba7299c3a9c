/** What clients of Kestrel, Siberite, Darner and Starling send is understood, in text and in meta commands. */
import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Client } from "./client.ts";
import { expectLines } from "./conversation.ts";
import { eventually, scratch, type Server, start, suite } from "./harness.ts";

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
      "CLIENT_ERROR unknown option PEEK, known are t=<ms>, open, close, abort, peek, lease=<ms>, delay=<ms>, dead, early, leased, to=<queue>, all, or=<queue>, pause=<seconds>, resume\r\n",
    ],
    ["MG q v f\r\nmG q s\r\n", "VA 3 f7\r\ntwo\r\nHD s9\r\n"],
    ["MG q v\r\nMN\r\n", "EN\r\nMN\r\n"],
    [
      "GET q/CLOSE\r\n",
      "CLIENT_ERROR unknown option CLOSE, known are t=<ms>, open, close, abort, peek, lease=<ms>, delay=<ms>, dead, early, leased, to=<queue>, all, or=<queue>, pause=<seconds>, resume\r\n",
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

describe("the other commands of Kestrel", () => {
  const block = (name: string, items: number, bytes: number, sets: number) =>
    [
      `queue '${name}' {`,
      `  items=${items}`,
      `  bytes=${bytes}`,
      `  total_items=${sets}`,
      "  age=0",
      "  waiters=0",
      "  open_transactions=0",
      "}",
      "",
    ].join("\r\n");

  test("dump_stats has a block for each queue", async () => {
    const own = await start();
    const asker = await own.connect();
    expect(await asker.ask("dump_stats")).toBe("END");
    await asker.put("q", "one");
    await asker.put("b", "12");
    expect(await asker.take("b")).toBe("12");
    asker.send("dump_stats\r\n");
    const all = `${block("q", 1, 3, 1)}${block("b", 0, 0, 1)}END\r\n`;
    expect(await asker.until("END\r\n")).toBe(all);
    asker.send("DUMP_STATS b\r\n");
    expect(await asker.until("END\r\n")).toBe(`${block("b", 0, 0, 1)}END\r\n`);
    expect(await asker.ask("dump_stats unknown")).toBe("END");
    expect(await asker.ask("dump_stats q b")).toBe("CLIENT_ERROR bad command line format");
    expect(await asker.ask("dump_stats q/open")).toStartWith("CLIENT_ERROR a slash");
    const many = Array.from({ length: 300 }, (_, n) => `set many-${n} 0 0 1 noreply\r\nx\r\n`);
    asker.send(`${many.join("")}dump_stats\r\nversion\r\n`);
    const text = await asker.until("END\r\n");
    expect([...text.matchAll(/^queue '/gm)]).toHaveLength(302);
    expect(text).toEndWith(`${block("many-299", 1, 1, 1)}END\r\n`);
    expect(await asker.line()).toStartWith("VERSION ");
    await own.stop();
  });

  test("status, reload, flush_expired", async () => {
    await client.put("q", "one");
    for (const [command, answer] of [
      ["status", "UP"],
      ["STATUS", "UP"],
      ["status down", "ERROR"],
      ["reload", "Reloaded config."],
      ["reload now", "ERROR"],
      ["flush_expired q", "0"],
      ["flush_expired unknown", "0"],
      ["flush_expired", "ERROR"],
      ["flush_all_expired", "0"],
      ["flush_all_expired q", "ERROR"],
      ["monitor q 1", "ERROR"],
      ["confirm q 1", "ERROR"],
      ["dump_config", "ERROR"],
    ] as const) {
      expect([command, await client.ask(command)]).toEqual([command, answer]);
    }
    expect(await client.take("q")).toBe("one");
    await client.inStep();
  });

  test("flush_expired answers how many it has dropped", async () => {
    const own = await start(["--expiry"]);
    const asker = await own.connect();
    expect(await asker.ask("set q 0 0 1\r\nx")).toBe("STORED");
    expect(await asker.ask("flush_expired q")).toBe("0");
    expect(await asker.ask("flush_all_expired")).toBe("0");
    asker.send(`${"set q 0 -1 1 noreply\r\ny\r\n".repeat(20)}get q\r\nflush_expired q\r\n`);
    expect((await asker.messages()).map(({ body }) => body)).toEqual(["x"]);
    expect(Number(await asker.line())).toBeWithin(0, 21);
    await eventually("all are gone", async () => {
      expect(await asker.ask("flush_all_expired")).toMatch(/^\d+$/);
      asker.send("stats queue q\r\n");
      const text = await asker.until("END\r\n");
      return text.includes("STAT expired 20\r\n") ? true : undefined;
    });
    await own.stop();
  });

  test("reload reads the settings of queues again", async () => {
    const file = join(scratch(), "queues");
    writeFileSync(file, "q:max-messages=1\n");
    const own = await start(["--queues-file", file]);
    const asker = await own.connect();
    await asker.put("q", "1");
    asker.send("set q 0 0 1\r\n2\r\n");
    expect(await asker.line()).toBe("NOT_STORED");
    writeFileSync(file, "q:max-messages=2\n");
    expect(await asker.ask("reload")).toBe("Reloaded config.");
    await eventually("the new limit", async () => {
      asker.send("set q 0 0 1\r\n2\r\n");
      return (await asker.line()) === "STORED" ? true : undefined;
    });
    await own.stop();
  });

  test("shutdown is refused, unless an option allows it", async () => {
    const refusal = "CLIENT_ERROR shutdown is not allowed, see --allow-shutdown";
    expect(await client.ask("shutdown")).toBe(refusal);
    expect(await client.ask("SHUTDOWN")).toBe(refusal);
    expect(await client.ask("shutdown now")).toBe("ERROR");
    const own = await start(["--allow-shutdown"]);
    const [asker, holder] = [await own.connect(), await own.connect()];
    await asker.put("q", "kept");
    expect(await holder.take("q/open")).toBe("kept");
    asker.send("shutdown\r\n");
    expect(await asker.rest()).toBe("");
    expect(await own.exit()).toMatchObject({ code: 0 });
    const again = await start([], { home: own.home });
    expect(await (await again.connect()).take("q")).toBe("kept");
    await again.stop();
  });

  test("set q/sync is a set", async () => {
    client.send("set q/sync 0 0 3\r\none\r\nSET q/sync/delay=0 0 0 3\r\ntwo\r\n");
    await expectLines(client, ["STORED", "STORED"]);
    expect(await client.ask("ms q/sync 2 c\r\nhi")).toBe("HD c3");
    client.send("set q/synced 0 0 9\r\nflush_all\r\n");
    expect(await client.line()).toStartWith("CLIENT_ERROR a slash has no place in the name");
    for (const body of ["one", "two", "hi"]) expect(await client.take("q")).toBe(body);
    await client.inStep();
  });
});
