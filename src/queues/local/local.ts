import type { QueueRule } from "../../config/queue_settings.ts";
import { type Store, StoreError } from "../../store/store.ts";
import type { Clock } from "../../util/clock.ts";
import { type Backend, BackendError, type DiskUsage, type Watcher } from "../backend.ts";
import type { Operation } from "../operation.ts";
import type { HeldMessages, MessagePreview, QueueSummary } from "../summary.ts";
import { finishGroup } from "./commit.ts";
import { newConsumer } from "./consumer.ts";
import { recountPortion } from "./damage.ts";
import { doDue, nextDue } from "./due.ts";
import { executeGroup } from "./execute.ts";
import { endPauses } from "./pause.ts";
import { previewsOf } from "./previews.ts";
import type { Queue } from "./queue.ts";
import { isKnown, noteFailedSync } from "./recovery.ts";
import { shortageOf } from "./space.ts";
import { type Limits, type Local, newLocal, setRules, settingsFor } from "./state.ts";
import { arrivalKept, heldMessagesOf, NONE_HELD, summaryOf } from "./summary.ts";
import { sweepQueues } from "./sweep.ts";

export interface LocalOptions {
  /** Bytes that messages may take in memory. */
  cacheLimit: number;
  limits: Limits;
  /** Children of queues, `q+child`, get a copy of each message of the queue; false when absent. */
  fanout?: boolean;
  /** The exptime of a set counts in all queues; false when absent. */
  readsExptime?: boolean;
  /** What holds for single queues; none when absent. */
  rules?: readonly QueueRule[];
  /** A trickle copies the log into the database when less than so many percent of it are there. */
  tricklePercent: number;
  clock: Clock;
  warn: (text: string) => void;
}

/** The queues of a store: nothing of it answers later. */
export interface LocalBackend extends Backend {
  execute(operations: readonly Operation[], from: number, to: number): number;
  doDue(): void;
  summaries(names?: readonly string[]): [IteratorObject<QueueSummary>];
  summary(name: string): QueueSummary | undefined;
  oldestArrival(name: string): number;
  previews(
    name: string,
    most: { messages: number; bytes: number },
    after?: number,
  ): MessagePreview[] | undefined;
  heldMessages(name: string, most: number): HeldMessages;
  disk(): DiskUsage;
  probe(): void;
  maintain(): boolean;
  close(): void;
}

/** Opens the queues of a store: a backend that answers at once. @throws StoreError when the store cannot be read */
export function openLocal(store: Store, watcher: Watcher, options: LocalOptions): LocalBackend {
  const { cacheLimit, limits, clock, warn } = options;
  const local = newLocal(
    store,
    cacheLimit,
    limits,
    watcher,
    clock,
    warn,
    options.rules,
    options.readsExptime,
  );
  local.fanout.isOn = options.fanout === true;
  return {
    newConsumer,
    execute: (operations, from, to) => executeGroup(local, operations, from, to),
    nextDue: () => nextDue(local),
    doDue: () => withBackendError(local, () => doDue(local)),
    summaries: (names) => [queuesOf(local, names).map((queue) => summaryOf(local, queue))],
    summary: (name) => inQueue(local, name, (queue) => summaryOf(local, queue)),
    oldestArrival: (name) =>
      withBackendError(
        local,
        () => inQueue(local, name, (queue) => arrivalKept(local, queue)) ?? 0,
      ),
    previews: (name, most, after) =>
      withBackendError(local, () =>
        inQueue(local, name, (queue) => previewsOf(local, queue, most, after)),
      ),
    heldMessages: (name, most) =>
      inQueue(local, name, (queue) => heldMessagesOf(local, queue, most)) ?? NONE_HELD,
    setRules: (rules) => setRules(local, rules),
    settings: (name) => settingsFor(local, name),
    usage: () => ({
      queues: local.queues.size,
      bytes: local.bytes,
      ...local.totals,
      cached: local.cache.used,
      cacheLimit: local.cache.limit,
      lost: local.lost,
    }),
    disk: () =>
      withBackendError(local, () => ({ ...store.extent(), checkpointed: store.checkpointed() })),
    measures: () => [],
    syncs: store.syncs,
    probe: () => withBackendError(local, () => probe(local)),
    shortage: () => shortageOf(local),
    afterReply: () => withBackendError(local, () => store.autoCheckpoint()),
    maintain: () =>
      withBackendError(local, () => {
        endPauses(local);
        if (local.failedSync !== undefined) return false;
        return store.maintain() || recount(local) || sweepQueues(local);
      }),
    checkpoint: (how) =>
      withBackendError(local, () => checkpoint(local, how, options.tricklePercent)),
    close: () => store.close(),
  };
}

function queuesOf({ queues }: Local, names?: readonly string[]): IteratorObject<Queue> {
  if (names === undefined) return queues.values();
  return names
    .values()
    .map((name) => queues.get(name))
    .filter((queue) => queue !== undefined);
}

function inQueue<T>({ queues }: Local, name: string, look: (queue: Queue) => T): T | undefined {
  const queue = queues.get(name);
  return queue && look(queue);
}

function probe(local: Local): void {
  if (!isKnown(local)) throw new StoreError(local.failedSync?.reason ?? "");
  local.store.probe();
}

/** Counts a portion of a damaged queue's bytes, and commits what was found. @returns whether there is more to do */
function recount(local: Local): boolean {
  const hasMore = recountPortion(local);
  finishGroup(local, [], 0, 0);
  return hasMore;
}

function checkpoint({ store }: Local, how: "full" | "trickle", percent: number): void {
  if (how === "full") store.checkpoint("full");
  else if (store.checkpointed() < percent) store.checkpoint("passive");
}

/** Does the work; a StoreError is thrown as a {@link BackendError}. After a failed sync the file is asked what is so. */
function withBackendError<T>(local: Local, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.outcome === "unknown") noteFailedSync(local, error.message);
    throw new BackendError(error.message);
  }
}
