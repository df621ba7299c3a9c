/** What happened within the last day, and what clients have set and got. */
import { expect, test } from "bun:test";

import { addEvent, lastEvents, newEvents, type ServerEvent } from "../../src/http/events.ts";
import { eventually, suite } from "../server/harness.ts";
import { startWeb, type Web } from "./web.ts";

suite();

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

async function eventsOf(server: Web): Promise<[kind: string, queue: string, times: number][]> {
  const events = (await (await server.get("/data/events")).json()) as ServerEvent[];
  return events.map(({ kind, queue, times }) => [kind, queue, times]);
}

test("what happens again within ten minutes is one event, and a day later it is gone", () => {
  const events = newEvents();
  for (const minute of [0, 1, 10, 30]) addEvent(events, minute * MINUTE, "failure", { text: "no" });
  addEvent(events, 31 * MINUTE, "expired", { queue: "q", times: 7 });
  const seen = (now: number) =>
    lastEvents(events, now).map(({ kind, times, firstAt, lastAt }) => [
      kind,
      times,
      firstAt / MINUTE,
      lastAt / MINUTE,
    ]);
  expect(seen(HOUR)).toEqual([
    ["expired", 7, 31, 31],
    ["failure", 1, 30, 30],
    ["failure", 3, 0, 10],
  ]);
  expect(seen(24 * HOUR + 20 * MINUTE)).toHaveLength(2);
  expect(seen(25 * HOUR)).toEqual([]);
});

test("of each kind so many are kept, whatever else happens", () => {
  const events = newEvents();
  addEvent(events, 0, "failure", { text: "x".repeat(1000) });
  for (let i = 0; i < 1000; i++) addEvent(events, i, "expired", { queue: `q${i}` });
  const seen = lastEvents(events, 1000);
  expect(seen).toHaveLength(101);
  expect([seen[0]?.queue, seen.at(-1)?.kind, seen.at(-1)?.text.length]).toEqual([
    "q999",
    "failure",
    301,
  ]);
});

test("the page tells of the start, of expiries, dead letters, drops, failures and its own changes", async () => {
  const server = await startWeb([
    "--http-admin",
    "--expiry",
    "--queue",
    "jobs:deliveries=1",
    "--queue",
    "few:max-messages=2,drop-oldest=yes",
  ]);
  const client = await server.connect();
  for (const body of ["1", "2", "3"]) await client.put("few", body);
  await client.put("jobs", "poison");
  client.send("get jobs/open\r\n");
  expect(await client.messages()).toHaveLength(1);
  expect(await client.ask("get jobs/abort")).toBe("END");
  for (const body of ["a", "b"])
    expect(await client.ask(`set old 0 -1 1\r\n${body}`)).toBe("STORED");
  expect(await client.ask("get old")).toBe("END");
  const init = { method: "POST", headers: { "x-memcacheq": "page" } };
  expect((await server.get("/admin/flush?queue=few", init)).status).toBe(200);
  const events = await eventually("all events", async () => {
    const all = await eventsOf(server);
    return all.length === 5 ? all : undefined;
  });
  expect(events.toSorted()).toEqual([
    ["changed", "few", 1],
    ["dead", "jobs", 1],
    ["dropped", "few", 1],
    ["expired", "old", 2],
    ["start", "", 1],
  ]);
  await server.stop();
});

test("a client's sets and gets are counted by its address, or by its name, over the span", async () => {
  const server = await startWeb();
  const [client, other] = [await server.connect(), await server.connect()];
  for (const body of ["1", "2", "3"]) await client.put("q", body);
  expect(await other.take("q")).toBe("1");
  await client.end();
  interface List {
    traffic: {
      client: string;
      connections: number;
      sets: number;
      gets: number;
      points: number[][];
    }[];
  }
  for (const span of ["minutes", "hour", "day"]) {
    const [traffic] = await eventually("the count", async () => {
      const list = (await (await server.get(`/data/clients?span=${span}`)).json()) as List;
      return list.traffic[0]?.connections === 1 ? list.traffic : undefined;
    });
    expect(traffic).toMatchObject({ client: "127.0.0.1", connections: 1, sets: 3, gets: 1 });
    expect(traffic?.points.length).toBeWithin(2, 31);
    expect([traffic?.points[0]?.slice(1), traffic?.points.at(-1)?.slice(1)]).toEqual([
      [0, 0],
      [3, 1],
    ]);
  }
  expect((await server.get("/data/clients?span=year")).status).toBe(400);
  await server.stop();
});
