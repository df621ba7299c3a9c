import { orWarn, type Server } from "../engine/server.ts";
import { relieveLoad } from "../net/connection.ts";
import { queueCounts } from "../queues/local/details.ts";
import { verbosity, warn } from "../util/log.ts";

/** How long the store has no work that can wait before it is asked again, and between two portions of it; in ms. */
const REST = 500;
const PAUSE = 2;
/** How many queues one dump of the statistics lists. */
const MOST_LISTED = 1000;

/** What the process may take beside -m before its garbage is collected in between, in bytes. */
const ROOM = 100 * 1024 * 1024;
/** How often that is looked at, in ms, and how many bytes more make another collection worthwhile. */
const WATCH = 100;
const STEP = 16 * 1024 * 1024;
/** How often those are looked for who have much memory taken and do nothing, in ms. */
const LOAD_WATCH = 1000;

/** Starts everything that is done by the clock. The returned function ends it. */
export function startUpkeep(server: Server): () => void {
  const { store, options } = server;
  let tidying = setTimeout(tidy, REST);
  function tidy(): void {
    const more = orWarn(() => store.tidy()) ?? false;
    tidying = setTimeout(tidy, more ? PAUSE : REST);
  }
  const clocks = [
    setInterval(() => relieveLoad(server), LOAD_WATCH),
    setInterval(garbageCollector(options.memory + ROOM), WATCH),
    every(options.checkpointSeconds, () => orWarn(() => store.checkpoint("full"))),
    every(options.trickleSeconds, () => orWarn(() => trickle(server))),
    every(options.statsSeconds, () => logQueues(server)),
  ];
  return () => {
    clearTimeout(tidying);
    for (const clock of clocks) clearInterval(clock);
  };
}

function every(seconds: number, work: () => void): Timer | undefined {
  return seconds === 0 ? undefined : setInterval(work, seconds * 1000);
}

function trickle({ store, options }: Server): void {
  if (store.checkpointed() < options.tricklePercent) store.checkpoint("passive");
}

function logQueues({ broker }: Server): void {
  if (verbosity() === 0) return;
  let listed = 0;
  for (const { name, sets, gets } of queueCounts(broker)) {
    if (++listed > MOST_LISTED) break;
    warn(`queue ${name} ${sets}/${gets}`);
  }
  if (listed > MOST_LISTED) warn(`${broker.queues.size - MOST_LISTED} more queues`);
}

/**
 * Left alone, the engine lets garbage grow to several times what is in use. The returned function, called again and
 * again, has it collected when the process takes more than `bytes`, and not again for as long as that is in use.
 */
function garbageCollector(bytes: number): () => void {
  let level = bytes;
  let collected = false;
  return () => {
    const taken = residentBytes();
    if (taken === undefined) return;
    // What is collected goes back to the system a moment later.
    if (taken <= bytes) level = bytes;
    else if (collected) level = taken + STEP;
    collected = taken > level;
    if (collected) Bun.gc(true);
  };
}

/** Undefined when there is no descriptor left to read it with. */
function residentBytes(): number | undefined {
  try {
    return process.memoryUsage.rss();
  } catch {
    return undefined;
  }
}
