import { verbosity, warn } from "./log.ts";
import { queueCounts } from "./queue/details.ts";
import { orWarn, type Server } from "./server.ts";

/** How long the store has no work that can wait before it is asked again, and between two portions of it; in ms. */
const REST = 500;
const PAUSE = 2;
/** How many queues one dump of the statistics lists. */
const MOST_LISTED = 1000;

/** Starts everything that is done by the clock. The returned function ends it. */
export function startUpkeep(server: Server): () => void {
  const { store, options } = server;
  let tidying = setTimeout(tidy, REST);
  function tidy(): void {
    const more = orWarn(() => store.tidy()) ?? false;
    tidying = setTimeout(tidy, more ? PAUSE : REST);
  }
  const clocks = [
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
