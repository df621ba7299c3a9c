/** The page, metrics and health of a server whose backend answers later. */
import { afterAll, beforeAll, expect, test } from "bun:test";

import { parseCommandLine } from "../../src/config/command_line.ts";
import { listenHttp } from "../../src/http/server.ts";
import { newClients } from "../../src/net/clients.ts";
import { BackendError } from "../../src/queues/backend.ts";
import type { QueueSummary } from "../../src/queues/summary.ts";
import { answeringLater } from "../engine/late.ts";
import { end, newClient, newRig, put, type Rig, send, settle } from "../engine/rig.ts";
import { suite } from "../store/scratch.ts";

suite();

let rig: Rig;
let site = "";
let stop = () => {};
/** Health is answered with this. */
let ailment: string | undefined;
/** The queues cannot be asked. */
let isAway = false;

beforeAll(() => {
  rig = newRig((backend) => ({
    ...answeringLater(backend),
    async *summaries(names) {
      if (isAway) throw new BackendError("it is away");
      yield* answeringLater(backend).summaries(names) as AsyncIterable<Iterable<QueueSummary>>;
    },
    disk: () => undefined,
    async probe() {
      if (ailment !== undefined) throw new BackendError(ailment);
    },
    measures: () => [
      { name: "memcacheq_store_retries_total", help: "Tries.", kind: "counter", value: 3 },
    ],
  }));
  const commandLine = parseCommandLine(["-u", "nobody", "--http", "0", "--http-admin"]);
  if (commandLine.action !== "run") throw new Error("no options");
  const listener = listenHttp({ hostname: "127.0.0.1", port: 0 }, undefined);
  listener.serve({ clients: newClients(rig.engine, 10), options: commandLine.options });
  site = `http://${listener.place.split(" ").at(-1)}`;
  const client = newClient(rig);
  for (const queue of ["q", "r", "s"]) put(client, queue, `body of ${queue}`);
  put(client, "q", "another body");
  send(client, "get r/open");
  settle(rig);
  // Turns that the page asks for.
  const turns = setInterval(() => settle(rig), 1);
  stop = () => {
    clearInterval(turns);
    listener.stop();
    end(client);
  };
});
afterAll(() => stop());

test("health", async () => {
  rig.now += 2000;
  expect((await fetch(`${site}/healthz`)).status).toBe(200);
  rig.now += 2000;
  ailment = "it is away";
  const ill = await fetch(`${site}/healthz`);
  expect([ill.status, await ill.text()]).toEqual([503, "it is away\n"]);
  ailment = undefined;
  rig.now += 2000;
  expect((await fetch(`${site}/healthz`)).status).toBe(200);
});

test("metrics", async () => {
  const text = await (await fetch(`${site}/metrics`)).text();
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  expect(lines).toContain("memcacheq_queues 3");
  expect(lines).toContain('memcacheq_queue_messages{queue="q"} 2');
  expect(lines).toContain('memcacheq_queue_open{queue="r"} 1');
  expect(
    lines.some((line) => line.startsWith('memcacheq_queue_oldest_age_seconds{queue="s"}')),
  ).toBe(true);
  expect(lines).toContain("memcacheq_store_retries_total 3");
  expect(text).not.toContain("memcacheq_database_bytes");
});

test("metrics of the server while its queues cannot be asked", async () => {
  isAway = true;
  const text = await (await fetch(`${site}/metrics`)).text();
  isAway = false;
  expect(text).toContain("\nmemcacheq_store_retries_total 3\n");
  expect(text).toContain('memcacheq_connections{state="ready"} 0\n');
  expect(text).not.toContain("memcacheq_queue_messages");
});

test("the page", async () => {
  const overview = (await (await fetch(`${site}/data/overview?queue=r`)).json()) as {
    total: number;
    queues: { name: string; messages: number; age: number }[];
    chosen: { name: string };
    held: { open: object[] };
  };
  expect(overview.total).toBe(3);
  expect(overview.queues.map(({ name, messages }) => [name, messages])).toEqual([
    ["q", 2],
    ["r", 1],
    ["s", 1],
  ]);
  expect(overview.queues.every(({ age }) => age > 0)).toBe(true);
  expect([overview.chosen.name, overview.held.open.length]).toEqual(["r", 1]);
  const messages = (await (await fetch(`${site}/data/messages?queue=q`)).json()) as object[];
  expect(messages).toHaveLength(2);
  const found = (await (await fetch(`${site}/data/messages?queue=q&find=another`)).json()) as {
    messages: object[];
    searched: number;
  };
  expect([found.messages.length, found.searched]).toEqual([1, 2]);
  expect((await fetch(`${site}/data/messages?queue=none`)).status).toBe(404);
});

test("what the page changes", async () => {
  const ask = (path: string) =>
    fetch(`${site}/admin/${path}`, { method: "POST", headers: { "x-memcacheq": "page" } });
  expect((await ask("delete?queue=none")).status).toBe(404);
  expect((await ask("delete?queue=s")).status).toBe(200);
  expect(rig.backend.summary("s")).toBeUndefined();
});
