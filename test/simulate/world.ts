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
import { answeringLater, type Call, newFaults, watched, withFaults } from "./faults.ts";
import { judge as judgeGroup } from "./judge.ts";
import { newModel, restart } from "./model.ts";
import type { Config, Plan } from "./plan.ts";
import { newScratch, type Scratch } from "./scratch.ts";
import { type Disk, newDisk, openStandIn } from "./stand_in.ts";
import type { Judge } from "./state.ts";
import { newCounters } from "./statistics.ts";
import { newTime, runtimeOf, type Time } from "./time.ts";
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
  const judge: Judge = {
    model: newModel(limits),
    talks: new Map(),
    lines: new Map(),
    owed: [],
    faults: newFaults(),
    counters: newCounters(),
    epoch: 0,
    isLoose: config.late !== "no" || config.maxOutput > 0 || config.maxInput > 0,
    maxInput: config.maxInput,
    lost: 0,
    requests: 0,
    operations: 0,
    version: VERSION,
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
      tricklePercent: 50,
      clock: runtime,
      warn: () => {},
    });
    const seen = watched(backend, judge.faults);
    return config.late === "no" ? judged(world, seen) : late(world, seen, config);
  });
  const bounds =
    config.maxInput > 0 || config.maxOutput > 0
      ? { input: config.maxInput || 2 ** 30, output: config.maxOutput || 2 ** 30 }
      : undefined;
  return {
    engine,
    backend: backend as unknown as LocalBackend,
    clients: newClients(engine, 10_000, bounds),
  };
}

function openDisk({ disk, scratch, time }: World): Store {
  return scratch === undefined ? openStandIn(disk, runtimeOf(time)) : scratch.open(runtimeOf(time));
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
  restart(judge.model, world.startOffset - time.offset);
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
  Object.assign(world, start(world));
}
