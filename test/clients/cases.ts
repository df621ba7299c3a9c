/** What every client goes through, each case on queues of its own. */
import type { Client as Connection } from "../server/client.ts";
import type { Bodies } from "./clients.ts";
import { Cannot, type Driver, type Kind, KINDS } from "./driver.ts";
import { eventually } from "./process.ts";

/** What a case has to work with. */
export interface Stage {
  driver: Driver;
  /** Starts another driver for the same client. */
  another: () => Promise<Driver>;
  /** A connection of the tests' own, which has authenticated if that is needed. */
  plain: () => Promise<Connection>;
  /** What the server says that it is. */
  version: string;
  /** The server's limit for a body, bytes. */
  maxBody: number;
  /** What the client can have in a body. */
  bodies: Bodies;
  compresses: boolean;
  restart: () => Promise<void>;
  /** Puts something that the user should know into the table. */
  note: (text: string) => void;
}

export interface Case {
  name: string;
  run: (stage: Stage) => Promise<void>;
}

export const CASES: readonly Case[] = [
  { name: "a thousand messages of every byte and size in order", run: keepsOrder },
  { name: "bodies from and for other clients", run: sharesBodies },
  { name: "values of the language", run: keepsValues },
  { name: "an empty queue", run: findsNothing },
  { name: "several queues in one get", run: getsMany },
  { name: "a queue deleted", run: deletes },
  { name: "statistics", run: tellsStatistics },
  { name: "statistics of a queue", run: tellsOfQueues },
  { name: "two producers and two consumers", run: sharesWork },
  { name: "a restart of the server", run: survivesRestart },
];

const THOUSAND = 1000;
const EACH = 100;

async function keepsOrder(stage: Stage): Promise<void> {
  const { driver, maxBody } = stage;
  const size = (i: number) => Math.round((i * maxBody) / (THOUSAND - 1));
  for (let i = 0; i < THOUSAND; i++) await store(driver, "order", bodyOf(stage, size(i), i));
  for (let i = 0; i < THOUSAND; i++) {
    checkBody(`message ${i}`, await driver.get("order"), bodyOf(stage, size(i), i));
  }
  checkBody("after the last", await driver.get("order"), undefined);
}

async function sharesBodies(stage: Stage): Promise<void> {
  const { driver, maxBody } = stage;
  const other = await stage.plain();
  // Below what any client compresses.
  const bodies = [0, 1, 2, 255, 1000].map((size) => bodyOf(stage, size, size));
  for (const body of bodies) await store(driver, "share", body);
  for (const body of bodies) {
    const taken = await other.take("share");
    checkBody("what the client set", Buffer.from(taken ?? "nothing", "latin1"), body);
  }
  for (const body of [...bodies, bodyOf(stage, maxBody, 7)]) {
    await other.put("share", body);
    checkBody("what another set", await driver.get("share"), body);
  }
  await other.end();
}

async function keepsValues(stage: Stage): Promise<void> {
  const { driver, compresses } = stage;
  for (const kind of KINDS) await giveValue(driver, kind);
  const other = await stage.plain();
  const size = (await other.ask("get values-large/peek")).split(" ").at(-1);
  await other.end();
  check("a large value is compressed", Number(size) < 5000, compresses);
  for (const kind of KINDS) {
    check(`the ${kind}`, await driver.match(`values-${kind}`, kind), undefined);
  }
}

async function giveValue(driver: Driver, kind: Kind): Promise<void> {
  check(`the ${kind} is stored`, await driver.give(`values-${kind}`, kind), true);
}

async function findsNothing({ driver }: Stage): Promise<void> {
  checkBody("of a queue that never was", await driver.get("empty"), undefined);
  await store(driver, "empty", Buffer.from("one"));
  checkBody("the one", await driver.get("empty"), Buffer.from("one"));
  checkBody("of a queue that is empty", await driver.get("empty"), undefined);
}

async function getsMany({ driver }: Stage): Promise<void> {
  const names = ["many-1", "many-2", "many-3"];
  for (const name of ["many-1", "many-3", "many-3"]) {
    await store(driver, name, Buffer.from(`in ${name}`));
  }
  const found = async () => {
    const bodies = [...(await driver.getMany(names))].map(([name, body]) => `${name}: ${body}`);
    return bodies.toSorted();
  };
  check("one of each", await found(), ["many-1: in many-1", "many-3: in many-3"]);
  check("what is left", await found(), ["many-3: in many-3"]);
  check("nothing is left", await found(), []);
}

async function deletes({ driver, note }: Stage): Promise<void> {
  for (const body of ["one", "two"]) await store(driver, "delete", Buffer.from(body));
  const first = await driver.delete("delete");
  checkBody("of a queue that was deleted", await driver.get("delete"), undefined);
  const second = await driver.delete("delete");
  if (first === "gone") note("delete doesn't tell whether there was a queue");
  else check("deletes", [first, second], ["deleted", "missing"]);
  await store(driver, "delete", Buffer.from("three"));
  checkBody("of the queue made anew", await driver.get("delete"), Buffer.from("three"));
}

async function tellsStatistics({ driver, version }: Stage): Promise<void> {
  check("the version", (await driver.stats()).get("version"), version);
}

async function tellsOfQueues({ driver }: Stage): Promise<void> {
  for (const body of ["one", "two"]) await store(driver, "stats", Buffer.from(body));
  await driver.get("stats");
  check("the queue's counters", (await driver.stats("queue")).get("stats"), "2/1");
}

async function sharesWork({ another }: Stage): Promise<void> {
  const drivers = [await another(), await another(), await another(), await another()];
  const [one, two, three, four] = drivers as [Driver, Driver, Driver, Driver];
  const queue = "shared";
  const taken: string[] = [];

  async function produce(driver: Driver, name: string): Promise<void> {
    for (let i = 0; i < EACH; i++) await store(driver, queue, Buffer.from(`${name} ${i}`));
  }
  async function consume(driver: Driver): Promise<string[]> {
    const own: string[] = [];
    for (const until = Date.now() + 30_000; taken.length < 2 * EACH;) {
      if (Date.now() > until) throw new Error(`only ${taken.length} messages come`);
      const body = await driver.get(queue);
      if (body === undefined) continue;
      taken.push(body.toString());
      own.push(body.toString());
    }
    return own;
  }

  const work = [produce(one, "a"), produce(two, "b")];
  const lists = await Promise.all([consume(three), consume(four)]);
  await Promise.all(work);
  const all = ["a", "b"].map((name) => Array.from({ length: EACH }, (_, i) => `${name} ${i}`));
  check("each once", taken.toSorted(), all.flat().toSorted());
  for (const [name, messages] of [
    ["a", all[0]],
    ["b", all[1]],
  ] as const) {
    for (const list of lists) {
      const own = new Set(list);
      const expected = messages?.filter((message) => own.has(message));
      check(
        "in order",
        list.filter((message) => message.startsWith(name)),
        expected,
      );
    }
  }
  for (const driver of drivers) driver.end();
}

/** The same client object goes on. That its first requests fail is allowed: it may have to notice first. */
async function survivesRestart({ driver, restart }: Stage): Promise<void> {
  await store(driver, "restart", Buffer.from("before"));
  await restart();
  const later = async (what: string, ask: () => Promise<boolean>) =>
    await eventually(what, () => ask().catch(() => false));
  let body: Buffer | undefined;
  await later("a get after the restart", async () => {
    body = await driver.get("restart");
    return body !== undefined;
  });
  checkBody("what was set before the restart", body, Buffer.from("before"));
  await store(driver, "restart", Buffer.from("after"));
  checkBody("what was set after the restart", await driver.get("restart"), Buffer.from("after"));
}

/** Runs the cases, and resolves to what went wrong; what a client has not is noted. */
export async function runCases(stage: Stage): Promise<string[]> {
  const failures: string[] = [];
  for (const { name, run } of CASES) {
    try {
      await run(stage);
    } catch (error) {
      if (error instanceof Cannot) stage.note(error.message);
      else failures.push(`${name}: ${(error as Error).message}`);
    }
  }
  return failures;
}

async function store(driver: Driver, queue: string, body: Buffer): Promise<void> {
  if (!(await driver.set(queue, body))) throw new Error(`${body.length} bytes are not stored`);
}

const CR = 13;
const BYTES: Record<Bodies, (byte: number) => number> = {
  bytes: (byte) => byte,
  "no CR": (byte) => (byte === CR ? 0 : byte),
  ascii: (byte) => byte & 127,
  printable: (byte) => 32 + (byte & 63),
};

/** So many bytes that no compression makes fewer, the same each time for the same seed. */
function bodyOf({ bodies }: Stage, size: number, seed: number): Buffer {
  const body = Buffer.alloc(size);
  let state = seed * 2_654_435_761 + 1;
  for (let i = 0; i < size; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    body[i] = BYTES[bodies](state & 255);
  }
  return body;
}

function checkBody(what: string, actual: Buffer | undefined, expected: Buffer | undefined): void {
  const shown = (body: Buffer | undefined) =>
    body === undefined ? "nothing" : `${body.length} bytes ${body.toString("latin1", 0, 40)}`;
  if (
    actual === undefined || expected === undefined ? actual === expected : actual.equals(expected)
  ) {
    return;
  }
  throw new Error(`${what}: ${shown(actual)} instead of ${shown(expected)}`);
}

function check(what: string, actual: unknown, expected: unknown): void {
  if (Bun.deepEquals(actual, expected)) return;
  throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
}
