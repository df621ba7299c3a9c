import { orWarn, type Server } from "../engine/server.ts";
import { relieveLoad } from "../net/connection.ts";
import { queueCounts } from "../queues/local/details.ts";
import { verbosity, warn } from "../util/log.ts";
import { limitGarbage } from "./garbage.ts";

/** Milliseconds before the store is asked for work again: after it had none, and between two portions of work. */
const IDLE_PAUSE = 500;
const BUSY_PAUSE = 2;
/** Milliseconds between two looks for stalled clients that take much memory. */
const STALL_INTERVAL = 1000;
/** Bytes that the process may take beside -m before its garbage is collected. */
const MAX_OTHER_MEMORY = 100 * 1024 * 1024;
/** Queues that one dump of the statistics lists. */
const MAX_LISTED = 1000;

/** Starts all work that is done by the clock. The returned function ends it. */
export function startMaintenance(server: Server): () => void {
  const { store, options } = server;
  const ends = [
    maintainStore(server),
    limitGarbage(options.memory + MAX_OTHER_MEMORY),
    every(STALL_INTERVAL, () => relieveLoad(server)),
    everySeconds(options.checkpointSeconds, () => orWarn(() => store.checkpoint("full"))),
    everySeconds(options.trickleSeconds, () => orWarn(() => trickle(server))),
    everySeconds(options.statsSeconds, () => logQueues(server)),
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** Has the store do its work that can wait, a portion at a time. */
function maintainStore({ store }: Server): () => void {
  let timer = setTimeout(work, IDLE_PAUSE);
  function work(): void {
    const hasMore = orWarn(() => store.tidy()) ?? false;
    timer = setTimeout(work, hasMore ? BUSY_PAUSE : IDLE_PAUSE);
  }
  return () => clearTimeout(timer);
}

/** @param seconds 0 is never */
function everySeconds(seconds: number, work: () => void): () => void {
  return seconds === 0 ? () => undefined : every(seconds * 1000, work);
}

function every(milliseconds: number, work: () => void): () => void {
  const timer = setInterval(work, milliseconds);
  return () => clearInterval(timer);
}

function trickle({ store, options }: Server): void {
  if (store.checkpointed() < options.tricklePercent) store.checkpoint("passive");
}

function logQueues({ broker }: Server): void {
  if (verbosity() === 0) return;
  let listed = 0;
  for (const { name, sets, gets } of queueCounts(broker)) {
    if (++listed > MAX_LISTED) break;
    warn(`queue ${name} ${sets}/${gets}`);
  }
  if (listed > MAX_LISTED) warn(`${broker.queues.size - MAX_LISTED} more queues`);
}
