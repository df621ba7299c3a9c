/** With --http-admin the page gives back, returns and removes single messages. */
import { describe, expect, test } from "bun:test";

import type { Client } from "../server/client.ts";
import { suite } from "../server/harness.ts";
import { waiter } from "../server/waiter.ts";
import { startWeb, type Web } from "./web.ts";

suite();

const PROOF = { "x-memcacheq": "page" };

/** Asks as the page does. @returns the status and the answer */
async function act(server: Web, command: string, queue: string, ...numbers: number[]) {
  const query = new URLSearchParams({ queue });
  for (const number of numbers) query.append("number", String(number));
  const response = await server.get(`/admin/${command}?${query}`, {
    method: "POST",
    headers: PROOF,
  });
  return [response.status, (await response.text()).trim()];
}

const done = (done: number, missed = 0) => [200, JSON.stringify({ said: "OK", done, missed })];
const OK = done(1);

async function put(client: Client, queue: string, ...bodies: string[]): Promise<void> {
  for (const body of bodies) await client.put(queue, body);
}

async function ask(client: Client, key: string): Promise<string | undefined> {
  client.send(`gets ${key}\r\n`);
  const [message] = await client.messages();
  return message?.body;
}

async function rest(client: Client, queue: string): Promise<string[]> {
  const found: string[] = [];
  for (let next = await client.take(queue); next !== undefined; next = await client.take(queue))
    found.push(next);
  return found;
}

async function details(client: Client, queue: string): Promise<Record<string, string>> {
  client.send(`stats queue ${queue}\r\n`);
  const text = await client.until("END\r\n");
  return Object.fromEntries([...text.matchAll(/STAT (\S+) (\S+)\r\n/g)].map((row) => row.slice(1)));
}

describe("a message is given back", () => {
  test("that is leased: at once, to a client that waits", async () => {
    const server = await startWeb(["--http-admin"]);
    const [client, other] = [await server.connect(), await server.connect()];
    await put(client, "q", "x");
    expect(await ask(client, "q/lease=600000")).toBe("x");
    const waiting = await waiter(server, "q/t=60000");
    expect(await act(server, "give-back", "q", 2)).toEqual([
      404,
      "it is held no longer, or by another client",
    ]);
    expect(await act(server, "give-back", "q", 1)).toEqual(OK);
    expect(await waiting.messages()).toMatchObject([{ body: "x" }]);
    expect(await act(server, "give-back", "q", 1)).toEqual([404, expect.any(String)]);
    expect(await other.ask("delete q/1")).toBe("NOT_FOUND");
    await server.stop();
  });

  test("that a client has open: another one gets it, and its close finds nothing", async () => {
    const server = await startWeb(["--http-admin", "--queue", "q:deliveries=2"]);
    const [client, other] = [await server.connect(), await server.connect()];
    await put(client, "q", "x", "y");
    expect(await ask(client, "q/open")).toBe("x");
    expect(await act(server, "give-back", "q", 1)).toEqual(OK);
    expect(await details(client, "q")).toMatchObject({ open: "0", messages: "2" });
    expect(await ask(other, "q/lease=600000")).toBe("x");
    expect(await client.ask("get q/close")).toBe("END");
    expect(await ask(client, "q/open")).toBe("y");
    // The number of the first delivery is not that of the second.
    expect(await act(server, "give-back", "q", 1)).toEqual([404, expect.any(String)]);
    expect(await act(server, "give-back", "q", 1 + 2 ** 43)).toEqual(OK);
    expect(await details(client, "q.dead")).toMatchObject({ messages: "1" });
    expect(await client.ask("get q/close")).toBe("END");
    expect(await details(client, "q")).toMatchObject({ messages: "0", bytes: "0" });
    await server.stop();
  });
});

test("a message is removed wherever it is, the others stay in order, also after kill -9", async () => {
  const first = await startWeb(["--http-admin"]);
  const client = await first.connect();
  const other = await first.connect();
  const body = (n: number) => `body ${n}`;
  await put(client, "q", ...[1, 2, 3, 4].map(body));
  await client.put("q/delay=600000", body(5));
  await put(client, "q", ...[6, 7, 8, 9, 10].map(body));
  expect(await ask(client, "q/open")).toBe(body(1));
  expect(await ask(client, "q/lease=600000")).toBe(body(2));
  expect(await ask(other, "q/open")).toBe(body(3));
  expect(await other.ask("get q/abort")).toBe("END");
  // Open, leased, back, delayed, in the middle, and the last.
  for (const number of [1, 2, 3, 5, 8, 10]) {
    expect(await act(first, "remove", "q", number)).toEqual(OK);
    expect(await act(first, "remove", "q", number)).toEqual([404, "it is gone already"]);
  }
  expect(await act(first, "remove", "q", 11)).toEqual([404, expect.any(String)]);
  expect(await client.ask("delete q/2")).toBe("NOT_FOUND");
  const left = { messages: "4", bytes: "24", open: "0", leased: "0", delayed: "0", gets: "6" };
  expect(await details(client, "q")).toMatchObject(left);
  first.kill("SIGKILL");
  await first.exit();
  const server = await startWeb(["--http-admin"], { home: first.home });
  const again = await server.connect();
  expect(await details(again, "q")).toMatchObject(left);
  // Of a queue that is on disk only.
  expect(await act(server, "remove", "q", 7)).toEqual(OK);
  expect(await rest(again, "q")).toEqual([4, 6, 9].map(body));
  await server.stop();
});

test("dead letters return where they came from, one or all", async () => {
  const flags = ["--http-admin", "--queue", "*:dead=failed"];
  const server = await startWeb(flags);
  const client = await server.connect();
  await put(client, "failed", "own");
  for (const [queue, body] of [
    ["a", "a1"],
    ["caf\xc3\xa9", "c1"],
    ["a", "a2"],
    ["caf\xc3\xa9", "c2"],
  ] as const) {
    await put(client, queue, body);
    expect(await ask(client, `${queue}/open`)).toBe(body);
    expect(await client.ask(`get ${queue}/dead`)).toBe("END");
  }
  expect(await act(server, "return", "failed", 1)).toEqual([
    404,
    "it is no dead letter, is held, or is gone already",
  ]);
  await put(client, "b", "moved");
  expect(await ask(client, "b/to=failed")).toBe("moved");
  expect(await act(server, "return", "failed", 6)).toEqual([404, expect.any(String)]);
  expect(await act(server, "return", "failed", 4)).toEqual(OK);
  expect(await rest(client, "a")).toEqual(["a2"]);
  expect(await client.ask("delete caf\xc3\xa9")).toBe("DELETED");
  expect(await act(server, "return-all", "failed")).toEqual(OK);
  expect(await rest(client, "a")).toEqual(["a1"]);
  expect(await rest(client, "caf\xc3\xa9")).toEqual(["c1", "c2"]);
  expect(await rest(client, "failed")).toEqual(["own", "moved"]);
  await server.stop();
});

test("thousands of dead letters return, and a limit there is told", async () => {
  const server = await startWeb(["-N", "--http-admin", "--queue", "small:max-messages=2"]);
  const client = await server.connect();
  const many = 3000;
  for (const queue of ["q", "small"]) {
    const total = queue === "q" ? many : 4;
    for (let n = 0; n < total; n++) {
      client.send(`set ${queue} 0 0 1 noreply\r\nx\r\nget ${queue}/open\r\nget ${queue}/dead\r\n`);
      expect(await client.until("END\r\n")).toStartWith("VALUE");
      expect(await client.until("END\r\n")).toBe("END\r\n");
    }
    const answer = await act(server, "return-all", `${queue}.dead`);
    if (queue === "q") expect(answer).toEqual(OK);
    else
      expect(answer).toEqual([503, expect.stringContaining("a limit of queue small is reached")]);
  }
  expect(await details(client, "q")).toMatchObject({ messages: String(many) });
  expect(await details(client, "q.dead")).toMatchObject({ messages: "0", bytes: "0" });
  expect(await details(client, "small")).toMatchObject({ messages: "2" });
  expect(await details(client, "small.dead")).toMatchObject({ messages: "2" });
  await server.stop();
});

test("what is far behind the head is not removed, and that is told", async () => {
  const server = await startWeb(["-N", "--http-admin"]);
  const client = await server.connect();
  client.send("set q 0 0 1 noreply\r\nx\r\n".repeat(2000));
  await client.inStep();
  expect(await act(server, "remove", "q", 1500)).toEqual([
    503,
    "SERVER_ERROR message 1500 is behind too many others",
  ]);
  expect(await act(server, "remove", "q", 1000)).toEqual(OK);
  expect(await details(client, "q")).toMatchObject({ messages: "1999" });
  await server.stop();
});

test("only the page may ask, with --http-admin, for a message by its number", async () => {
  const server = await startWeb(["--http-admin"]);
  const client = await server.connect();
  await put(client, "q", "x");
  const path = (command: string) => `/admin/${command}?queue=q&number=1`;
  for (const command of ["give-back", "remove", "return", "return-all"]) {
    for (const [method, headers, status] of [
      ["POST", {}, 403],
      ["POST", { ...PROOF, origin: "http://evil.example" }, 403],
      ["POST", { ...PROOF, "sec-fetch-site": "cross-site" }, 403],
      ["GET", PROOF, 405],
    ] as const) {
      const response = await server.get(path(command), { method, headers });
      expect([command, response.status]).toEqual([command, status]);
    }
  }
  for (const number of ["", "0", "-1", "1.5", "x", "9007199254740993"]) {
    const response = await server.get(`/admin/remove?queue=q&number=${number}`, {
      method: "POST",
      headers: PROOF,
    });
    expect([number, response.status]).toEqual([number, 400]);
  }
  expect(await act(server, "remove", "none", 1)).toEqual([404, "there is no such queue"]);
  expect(await act(server, "remove all", "q", 1)).toEqual([404, expect.any(String)]);
  expect(await client.take("q")).toBe("x");
  await server.stop();
  const plain = await startWeb();
  await (await plain.connect()).put("q", "x");
  expect(await act(plain, "remove", "q", 1)).toEqual([403, "that needs --http-admin"]);
  await plain.stop();
});

test("several messages are removed or returned together, and it is told how many were gone", async () => {
  const server = await startWeb(["--http-admin", "--queue", "jobs:deliveries=1"]);
  const client = await server.connect();
  await put(client, "jobs", "1", "2", "3", "4");
  for (let n = 0; n < 4; n++) {
    expect(await ask(client, "jobs/open")).toBe(String(n + 1));
    expect(await client.ask("get jobs/abort")).toBe("END");
  }
  expect(await act(server, "return", "jobs.dead", 2, 4)).toEqual(done(2));
  expect(await act(server, "return", "jobs.dead", 2, 3)).toEqual(done(1, 1));
  expect(await rest(client, "jobs")).toEqual(["2", "4", "3"]);
  await put(client, "q", "a", "b", "c", "d");
  expect(await act(server, "remove", "q", 1, 3, 99)).toEqual(done(2, 1));
  expect(await act(server, "remove", "q", 1, 3)).toEqual([404, "it is gone already"]);
  expect(await rest(client, "q")).toEqual(["b", "d"]);
  const many = Array.from({ length: 201 }, (_, i) => i + 1);
  expect(await act(server, "remove", "q", ...many)).toEqual([400, "more than 200 numbers"]);
  expect(await act(server, "remove", "q")).toEqual([400, "number is that of a message, from 1 on"]);
  await server.stop();
});
