import { parseQueueRule } from "../../src/config/queue_rules.ts";
import type { QueueRule } from "../../src/config/queue_settings.ts";
import type { Engine } from "../../src/engine/engine.ts";
/** A server in simulated time, its clients, and what judges it. */
import { newEngine } from "../../src/engine/open.ts";
import { type Clients, type Connection, newClients } from "../../src/net/clients.ts";
import { closeConnection } from "../../src/net/connection.ts";
import { type Bytes, newBytes } from "../../src/protocol/buffer.ts";
import type { Backend } from "../../src/queues/backend.ts";
import { type LocalBackend, openLocal } from "../../src/queues/local/local.ts";
import type { Store } from "../../src/store/store.ts";
import type { Client } from "./client.ts";
import { endLeases } from "./due.ts";
import {
  answeringLater,
  type Call,
  type Faults,
  newFaults,
  watched,
  withFaults,
} from "./faults.ts";
import { judge as judgeGroup, judgeDue } from "./judge.ts";
import { newModel } from "./model.ts";
import type { Config, Plan } from "./plan.ts";
import { textOf } from "./rules.ts";
import { newScratch, type Scratch } from "./scratch.ts";
import { type Disk, newDisk, openStandIn } from "./stand_in.ts";
import type { Judge, Look } from "./state.ts";
import { newCounters } from "./statistics.ts";
import { newTime, runtimeOf, type Time } from "./time.ts";
import { capLeases, restart } from "./undo.ts";
import { Violation } from "./violation.ts";

export interface World {
  plan: Plan;
  time: Time;
  disk: Disk;
  scratch: Scratch | undefined;
  judge: Judge;
  engine: Engine;
  /** The backend that does the work, which a call that is on its way may not be answered by yet. */
  backend: LocalBackend;
  clients: Clients;
  people: Map<number, Client>;
  /** The call of the backend that is on its way. */
  call: Call | undefined;
  /** Requests are written here. */
  encoded: Bytes;
  /** A hash of all bytes that clients were given. */
  digest: number;
  isEvicting: boolean;
  /** When clients that have stalled are looked for next, in milliseconds. */
  evictAt: number;
  /** What was found first. The engine may go on with an answer of its own to an error. */
  violation: string | undefined;
  crashes: number;
  /** The offset of the calendar when the server started. */
  startOffset: number;
  close: (connection: Connection) => void;
}

const VERSION = "1";

export function newWorld(plan: Plan): World {
  const { config, seed } = plan;
  const time = newTime(seed, config.lookMicros);
  const limits = {
    messages: config.maxMessages || Infinity,
    bytes: config.maxBytes || Infinity,
  };
  const isLoose = config.late !== "no" || config.maxOutput > 0 || config.maxInput > 0;
  const judge: Judge = {
    model: newModel(limits, config.rules),
    look: NOTHING_TO_SEE,
    told: [],
    talks: new Map(),
    lines: new Map(),
    owed: [],
    faults: newFaults(),
    counters: newCounters(),
    epoch: 0,
    isLoose,
    isPrompt: config.lookMicros <= 10 && !isLoose,
    maxInput: config.maxInput,
    passedOver: new Set(),
    lost: 0,
    requests: 0,
    operations: 0,
    version: VERSION,
    hinderedAt: 0,
    judgedAt: 0,
    now: () => time.now,
    calendar: () => Math.floor(time.now + time.offset),
  };
  const disk = newDisk();
  const scratch = config.store === "sqlite" ? newScratch() : undefined;
  const world = {
    plan,
    time,
    disk,
    scratch,
    judge,
    people: new Map(),
    call: undefined,
    encoded: newBytes(4096),
    digest: 0,
    isEvicting: false,
    evictAt: 0,
    violation: undefined,
    crashes: 0,
    startOffset: 0,
    close: closeConnection,
  };
  return Object.assign(world, start(world as unknown as World));
}

/** Starts the server over what is on the disk. */
function start(world: World): Pick<World, "engine" | "backend" | "clients"> {
  const { plan, time, judge } = world;
  const { config } = plan;
  world.startOffset = time.offset;
  const settings = {
    maxBody: config.maxBody,
    waitsForDisk: config.waitsForDisk,
    logBuffer: config.logBuffer,
    version: VERSION,
    statsQueues: 1000,
  };
  const runtime = runtimeOf(time);
  const store = withFaults(openDisk(world), judge.faults, time, config.commitMicros / 1000);
  let backend: LocalBackend | undefined;
  const engine = newEngine(settings, runtime, (watcher) => {
    backend = openLocal(store, watcher, {
      cacheLimit: config.cacheLimit,
      limits: judge.model.limits,
      rules: plan.config.rules.map((rule) => parseQueueRule(textOf(rule)) as QueueRule),
      tricklePercent: 50,
      clock: runtime,
      warn: () => {},
    });
    const seen = judgedDue(world, watched(backend, judge.faults));
    judge.look = lookAt(backend, store, judge.faults);
    return config.late === "no" ? judged(world, seen) : late(world, seen, config);
  });
  // Not the server's own: a plan of many clients reaches these, and the judge would have to know of it.
  const bounds = { input: config.maxInput || Infinity, output: config.maxOutput || Infinity };
  return {
    engine,
    backend: backend as unknown as LocalBackend,
    clients: newClients(engine, 10_000, bounds),
  };
}

function openDisk({ disk, scratch, time }: World): Store {
  return scratch === undefined ? openStandIn(disk, runtimeOf(time)) : scratch.open(runtimeOf(time));
}

/** What the queues do by the clock is judged at once. */
function judgedDue(world: World, backend: LocalBackend): LocalBackend {
  return {
    ...backend,
    doDue() {
      const since = world.time.now;
      try {
        backend.doDue();
      } finally {
        guard(world, () => judgeDue(world.judge, since));
      }
    },
  };
}

/** More messages than there are. */
const ALL = 1_000_000;
const NOTHING_TO_SEE: Look = {
  idOf: () => 0,
  leases: () => new Map(),
  numbers: () => new Set(),
  waiting: () => new Set(),
};

function lookAt(backend: LocalBackend, store: Store, faults: Faults): Look {
  const idOf = (name: string) => backend.summary(name)?.id ?? 0;
  /** Of messages that are held or available. */
  const present = (name: string) => {
    const numbers = new Set<number>();
    faults.isLooking = true;
    for (let after = 0; ;) {
      const found = backend.previews(name, { messages: 1000, bytes: 0 }, after) ?? [];
      for (const { number } of found) numbers.add(number);
      const last = found.at(-1)?.number;
      if (last === undefined) break;
      after = last;
    }
    faults.isLooking = false;
    return numbers;
  };
  const delayed = (name: string) => store.delayedFrom(idOf(name), 0, ALL);
  return {
    idOf,
    leases(name) {
      const { leased } = backend.heldMessages(name, ALL);
      return new Map(leased.map(({ number, until }) => [number, until]));
    },
    numbers: (name) => new Set([...delayed(name), ...present(name)]),
    waiting(name) {
      // In the order in which they are due: so they come into memory, where they wait no longer. Open ones don't, either.
      const open = new Set(backend.heldMessages(name, ALL).open.map(({ number }) => number));
      const rows = store.waitingFrom(idOf(name), 0, ALL).filter(({ number }) => !open.has(number));
      rows.sort((one, other) => one.due - other.due || one.number - other.number);
      const left = rows.slice(rows.length - (backend.summary(name)?.delayed ?? 0));
      return new Set(left.map(({ number }) => number));
    },
  };
}

function judged(world: World, backend: LocalBackend): Backend {
  return {
    ...backend,
    execute(operations, from, to) {
      const executed = backend.execute(operations, from, to) as number;
      guard(world, () => judgeGroup(world.judge, operations, from, executed));
      return executed;
    },
  };
}

function late(world: World, backend: LocalBackend, config: Config): Backend {
  const isEarly = config.late === "works at once";
  return answeringLater(backend, isEarly, config.lateOperations, (call) => {
    world.call = { ...call, turns: config.lateTurns };
  });
}

/** Does work that the engine calls, and remembers what it finds wrong. */
export function guard<T>(world: World, work: () => T): T {
  try {
    return work();
  } catch (error) {
    world.violation ??= String(error instanceof Violation ? error.message : (error as Error).stack);
    throw error;
  }
}

/** The call that is on its way is answered. */
export function answerCall(world: World): void {
  const { call } = world;
  if (call === undefined) return;
  world.call = undefined;
  const executed = call.executed ?? call.work();
  guard(world, () => judgeGroup(world.judge, call.operations, call.from, executed));
  call.answer(executed);
}

/** The memory of the process is thrown away, and another one starts. */
export function crash(world: World): void {
  const { judge, call, scratch, time } = world;
  for (const talk of judge.talks.values()) talk.gone = true;
  if (call?.executed !== undefined) judgeGroup(judge, call.operations, call.from, call.executed);
  // The store keeps times of the calendar.
  restart(judge.model, world.startOffset - time.offset, time.lookMs);
  judge.faults.doubt = undefined;
  judge.faults.events = judge.faults.events.splice(0, 0);
  judge.owed = [];
  judge.talks.clear();
  judge.lines.clear();
  judge.counters = newCounters();
  world.call = undefined;
  world.people.clear();
  world.crashes++;
  time.soon = [];
  time.timers.clear();
  scratch?.crash();
  const first = time.now;
  Object.assign(world, start(world));
  capLeases(judge.model, { first, last: time.now });
  judge.hinderedAt = time.now;
  // They may have ended in a commit that nobody knew of.
  judge.model.time = { first: judge.judgedAt, last: time.now, calendar: judge.calendar() };
  endLeases(judge, (name) => new Set(judge.look.leases(name).keys()));
}
