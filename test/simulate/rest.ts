/** Quiet points: all goes on until nothing is left to do, and everything is compared. */
import type { Ask } from "./ask.ts";
import { connect, send } from "./client.ts";
import { compareSummary } from "./compare.ts";
import { checkLeases } from "./due.ts";
import { isAllSent } from "./expected.ts";
import { noMoreFaults } from "./faults.ts";
import { maintain, pass, settle } from "./loop.ts";
import { isPaused } from "./model.ts";
import type { Queue } from "./queue.ts";
import { countRows } from "./stand_in.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** A restore that failed is tried again after a second, and the file is read anew after a tenth of one. */
const RETRY_MS = 2500;
/** Clients that have stalled for five seconds are evicted within another. */
const EVICTION_MS = 7000;
/** What is due is done in portions. */
const MAX_OVERDUE = 100;
const OVERDUE_MS = 1000;
/** What was leased waits for its next delivery at most once. */
const MAX_RETRIES = 2;

export async function rest(world: World): Promise<void> {
  const { judge, people } = world;
  await settle(world);
  if (judge.owed.length > 0 || judge.model.doubt !== undefined || judge.faults.events.length > 0) {
    noMoreFaults(judge.faults);
    await pass(world, RETRY_MS);
    maintain(world);
    await settle(world);
  }
  // Clients that do not read keep others waiting until they are evicted.
  for (let n = 0; n < people.size && world.clients.usage.awaiting.size > 0; n++) {
    await pass(world, EVICTION_MS);
    await settle(world);
  }
  // What is due by now is done with the next timer.
  for (let n = 0; n < MAX_OVERDUE && isOverdue(world); n++) {
    await pass(world, 1);
    await settle(world);
  }
  checkOwed(world);
  checkClients(world);
  checkEngine(world);
  if (judge.model.doubt === undefined) checkQueues(world);
}

/** The run ends: clients go, a last one takes all that is there, and nothing is left over. */
export async function end(world: World): Promise<void> {
  const { judge, people, time } = world;
  noMoreFaults(judge.faults);
  await rest(world);
  for (const client of people.values()) client.closes = true;
  await settle(world);
  await pass(world, RETRY_MS);
  maintain(world);
  await rest(world);
  // All that is leased or delayed is due by then. What comes back may wait once more.
  for (let n = 0; n < MAX_RETRIES; n++) {
    const due = [...judge.model.queues.values()].flatMap(({ delayed, leased }) =>
      [...delayed, ...leased.values()].map((each) => each.due?.last ?? 0),
    );
    if (due.length === 0) break;
    await pass(world, Math.max(0, ...due.map((last) => last + RETRY_MS - time.now)));
  }
  await drain(world);
  maintain(world);
  await rest(world);
  checkEmpty(world);
  const timers = time.timers.size - (world.engine.due.at === Infinity ? 0 : 1);
  if (timers > 0) throw new Violation(`${timers} timers are left`);
}

/** Somebody takes all messages, and deletes the queues. */
async function drain(world: World): Promise<void> {
  const { judge } = world;
  const client = connect(world, -1, { binary: false, reads: "all", window: 2 ** 30 });
  // After a failed sync this is when the file is read anew.
  send(client, [{ kind: "list", dialect: "text" }], []);
  await settle(world);
  for (const { name, available, delayed } of judge.model.queues.values()) {
    const asks: Ask[] = [{ kind: "resume", dialect: "text", queue: name }];
    const get: Ask = { kind: "get", dialect: "text", keys: [name] };
    for (let n = 0; n <= available.length + delayed.length; n++) asks.push(get);
    send(client, [...asks, { kind: "delete", dialect: "text", queue: name }], []);
  }
  await settle(world);
  if (judge.model.queues.size > 0) throw new Violation("queues are left");
  client.closes = true;
}

function isOverdue({ judge, time }: World): boolean {
  for (const { delayed, leased } of judge.model.queues.values()) {
    for (const { due } of [...delayed, ...leased.values()]) {
      if (due !== undefined && due.first <= time.now - OVERDUE_MS) return true;
    }
  }
  return false;
}

function checkOwed({ judge }: World): void {
  const [owed] = judge.owed;
  if (owed === undefined || judge.model.queues.get(owed.queue)?.serial !== owed.serial) return;
  if (judge.model.doubt !== undefined) return;
  throw new Violation(
    `number ${owed.message.number} of ${owed.queue} was taken for client ${owed.client}, which is gone, and is lost`,
  );
}

function checkClients({ judge, people }: World): void {
  const { model } = judge;
  for (const [session, talk] of judge.talks) {
    const [asked] = talk.asks;
    if (talk.gone) {
      const kinds = talk.asks.filter(({ isBegun }) => isBegun).map(({ ask }) => ask.kind);
      const lost = kinds.find((kind) => kind === "set" || kind === "delete" || kind === "flush");
      if (lost !== undefined)
        throw new Violation(`client ${talk.id} is gone, and its ${lost} was not done`);
      judge.talks.delete(session);
      continue;
    }
    const client = people.get(talk.id);
    const isServed = client !== undefined && client.habits.reads === "all" && !client.isDead;
    if (!isServed || model.doubt !== undefined) continue;
    for (const name of talk.wait?.queues ?? []) {
      const queue = model.queues.get(name);
      const isHeld = queue === undefined || isPaused(model, queue);
      if (isHeld || queue.available.every(({ lost }) => lost)) continue;
      throw new Violation(`client ${talk.id} waits, and ${name} has ${queue.available.length}`);
    }
    if (!isAllSent(talk.expected)) throw new Violation(`client ${talk.id} was not sent all`);
    if (talk.wait === undefined && asked !== undefined && asked.end <= talk.arrived) {
      throw new Violation(`client ${talk.id} has no answer to its ${asked.ask.kind}`);
    }
  }
}

function checkEngine({ engine, judge, people, clients, time }: World): void {
  const { sessions, waiters, gathering, closed, ready, stats } = engine;
  if (sessions.size !== people.size || clients.connections.size !== people.size) {
    throw new Violation(`${sessions.size} sessions for ${people.size} clients`);
  }
  const left = gathering.count - gathering.done + closed.count - closed.done + ready.size;
  if (left > 0 && time.soon.length === 0) throw new Violation(`${left} operations are left`);
  const lines = new Map([...waiters].map(([name, line]) => [name, line.sessions.size]));
  for (const [name, line] of judge.lines) {
    if (lines.get(name) !== line.length) {
      throw new Violation(`${lines.get(name)} wait for ${name}, must be ${line.length}`);
    }
  }
  if (lines.size !== judge.lines.size) throw new Violation(`${lines.size} queues are waited for`);
  if (stats.currentConnections !== people.size) throw new Violation("a connection is not counted");
}

function checkQueues({ backend, judge }: World): void {
  const { model } = judge;
  let isDamaged = false;
  for (const queue of model.queues.values()) {
    const told = backend.summary(queue.name);
    if (told === undefined) throw new Violation(`queue ${queue.name} is gone`);
    isDamaged ||= queue.damaged;
    compareSummary(judge, told);
    for (const id of queue.open.keys()) checkHolder(judge, queue, id);
  }
  const { queues, bytes } = backend.usage();
  if (queues !== model.queues.size)
    throw new Violation(`${queues} queues, must be ${model.queues.size}`);
  if (!isDamaged && bytes !== model.bytes)
    throw new Violation(`${bytes} bytes, must be ${model.bytes}`);
  checkLeases(judge);
}

function checkHolder(judge: World["judge"], { name }: Queue, id: number): void {
  for (const talk of judge.talks.values()) if (talk.id === id && !talk.gone) return;
  throw new Violation(`client ${id} is gone, and has a message of ${name} open`);
}

function checkEmpty({ engine, clients, backend, disk, scratch, judge, people }: World): void {
  const { usage } = clients;
  const { runnable, waiters, sessions, ready } = engine;
  const left = {
    people: people.size,
    sessions: sessions.size,
    runnable: runnable.size,
    waiters: waiters.size,
    ready: ready.size,
    input: usage.input,
    output: usage.output,
    awaiting: usage.awaiting.size,
    admitted: usage.admitted === undefined ? 0 : 1,
    queues: backend.usage().queues,
    bytes: backend.usage().bytes,
    cached: backend.usage().cached,
    rows: scratch === undefined ? countRows(disk) : scratch.rows(),
    lines: judge.lines.size,
  };
  for (const [what, number] of Object.entries(left)) {
    if (number !== 0) throw new Violation(`${what}: ${number} left at the end`);
  }
}
