import { newBytes } from "../protocol/buffer.ts";
import type { Backend, Later, Watcher } from "../queues/backend.ts";
import { setDueTimer } from "./clockwork.ts";
import { noteFailure } from "./commits.ts";
import type { Engine } from "./engine.ts";
import { newGroup } from "./group.ts";
import { scheduleClosing } from "./group_closing.ts";
import type { Runtime, Settings } from "./runtime.ts";
import { newStats } from "./stats.ts";
import { newTrafficTable } from "./traffic.ts";

/** @param open makes the backend, which tells the engine of commits and messages through the watcher */
export function newEngine(
  settings: Settings,
  runtime: Runtime,
  open: (watcher: Watcher) => Backend,
): Engine {
  const engine = withoutBackend(settings, runtime);
  return begin(engine, open(watcherOf(engine)));
}

/** The same, with a backend that takes its time to open. */
export async function openEngine(
  settings: Settings,
  runtime: Runtime,
  open: (watcher: Watcher) => Later<Backend>,
): Promise<Engine> {
  const engine = withoutBackend(settings, runtime);
  return begin(engine, await open(watcherOf(engine)));
}

type Headless = Omit<Engine, "backend">;

function begin(state: Headless, backend: Backend): Engine {
  const engine: Engine = Object.assign(state, { backend });
  setDueTimer(engine);
  return engine;
}

function watcherOf(engine: Headless): Watcher {
  return {
    isAwaited: (queue) => engine.waiters.has(queue) || engine.closed.sought.has(queue),
    ready(queue, messages) {
      engine.ready.set(queue, messages);
      engine.requestTurn();
    },
    committed: (milliseconds) => void (engine.wroteMs = milliseconds),
    failed: (reason) => noteFailure(engine.stats.commits, engine.runtime, reason),
  };
}

function withoutBackend(settings: Settings, runtime: Runtime): Headless {
  const state: Headless = {
    settings,
    runtime,
    stats: newStats(runtime),
    traffic: newTrafficTable(),
    access: undefined,
    sessions: new Set(),
    waiters: new Map(),
    gathering: newGroup(),
    closed: newGroup(),
    executing: false,
    runnable: new Set(),
    ready: new Map(),
    gone: new Set(),
    output: newBytes(64 * 1024),
    run: { session: undefined, start: 0, first: 0 },
    records: [],
    stopping: false,
    due: { at: Infinity, cancel: () => undefined, isAsked: false },
    operator: { reload: undefined, shutdown: undefined },
    scheduled: false,
    begunAt: 0,
    closedFull: false,
    commitMs: 0,
    wroteMs: undefined,
    // It has its backend by then.
    requestTurn: () => scheduleClosing(state as Engine),
  };
  return state;
}
