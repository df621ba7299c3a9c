import type { Options } from "../config/options.ts";
import { type Clients, evictStalled } from "../net/clients.ts";
import { type Backend, BackendError, type Later } from "../queues/backend.ts";
import { info, verbosity, warn } from "../util/log.ts";
import { limitGarbage } from "./garbage.ts";

/** Milliseconds before the queues' backend is asked for work again: after it had none, and between two portions of work. */
const IDLE_PAUSE = 500;
const BUSY_PAUSE = 2;
/** Milliseconds between two looks for stalled clients that take much memory. */
const STALL_INTERVAL = 1000;
/** Bytes that the process may take beside -m before its garbage is collected. */
const MAX_OTHER_MEMORY = 80 * 1024 * 1024;
/** Queues that one dump of the statistics lists. */
const MAX_LISTED = 1000;

/** Starts all work that is done by the clock. The returned function ends it. */
export function startMaintenance(options: Options, clients: Clients): () => void {
  const { backend } = clients.engine;
  const ends = [
    maintainBackend(backend),
    limitGarbage(options.memory + MAX_OTHER_MEMORY),
    every(STALL_INTERVAL, () => evictStalled(clients)),
    everySeconds(options.checkpointSeconds, () => void orWarn(() => backend.checkpoint("full"))),
    everySeconds(options.trickleSeconds, () => void orWarn(() => backend.checkpoint("trickle"))),
    everySeconds(options.statsSeconds, () => void orWarn(() => logQueues(backend))),
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** Does the work that can wait, a portion at a time. */
function maintainBackend(backend: Backend): () => void {
  let isEnded = false;
  let timer = setTimeout(work, IDLE_PAUSE);
  async function work(): Promise<void> {
    const hasMore = (await orWarn(() => backend.maintain())) ?? false;
    if (!isEnded) timer = setTimeout(work, hasMore ? BUSY_PAUSE : IDLE_PAUSE);
  }
  return () => {
    isEnded = true;
    clearTimeout(timer);
  };
}

/** @param seconds 0 is never */
function everySeconds(seconds: number, work: () => void): () => void {
  return seconds === 0 ? () => undefined : every(seconds * 1000, work);
}

function every(milliseconds: number, work: () => void): () => void {
  const timer = setInterval(work, milliseconds);
  return () => clearInterval(timer);
}

async function logQueues(backend: Backend): Promise<void> {
  if (verbosity() === 0) return;
  let listed = 0;
  for await (const portion of backend.summaries()) {
    for (const { name, sets, gets } of portion) {
      if (++listed > MAX_LISTED) break;
      info(`queue ${name} ${sets}/${gets}`);
    }
    if (listed > MAX_LISTED) break;
  }
  if (listed > MAX_LISTED) info(`${backend.usage().queues - MAX_LISTED} more queues`);
}

/** For work whose result no client waits for. */
async function orWarn<T>(work: () => Later<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    warn(error.message);
    return undefined;
  }
}
