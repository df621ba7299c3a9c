import type { Store } from "../../store/store.ts";
import type { Watcher } from "../backend.ts";
import { type Cache, newCache } from "./cache.ts";
import { newQueue, type Queue } from "./queue.ts";

/** All queues of one store, and what the group that is being executed has changed in them. */
export interface Local {
  store: Store;
  /** In the order in which they were made. */
  queues: Map<string, Queue>;
  cache: Cache;
  limits: Limits;
  watcher: Watcher;
  clock: Clock;
  /** Bytes of the bodies of all messages. */
  bytes: number;
  changes: Changes;
  /** Damaged queues whose bytes are being counted anew. */
  recounts: Set<Queue>;
  /** Messages that were lost to damage since the start. */
  lost: number;
  /** Raised whenever the queues were taken anew from the store: a list that goes on is cut then. */
  epoch: number;
  /** Why nothing is executed: it is not known yet what of the last group is on disk. */
  unknown: Unknown | undefined;
  /** Tells the operator. */
  warn: (text: string) => void;
}

/** How much may be in the queues. */
export interface Limits {
  /** Messages in one queue. */
  messages: number;
  /** Bytes of the bodies in all queues. */
  bytes: number;
}

/** Milliseconds from any fixed moment, and since 1970. */
export interface Clock {
  monotonic: () => number;
  calendar: () => number;
}

/** What happened since the last commit. */
export interface Changes {
  /** The queues that the group uses, makes and drops. */
  touched: Queue[];
  created: Queue[];
  dropped: Queue[];
  /** What the group found to be lost, and the queues whose bytes were corrected since the last commit. */
  losses: Loss[];
  recounted: Queue[];
  /** Bytes that the group set, took or brought into memory. */
  bytes: number;
  /** How often it did more than to look into memory. */
  costly: number;
}

/** Messages of a queue that the store has lost. */
export interface Loss {
  queue: Queue;
  messages: number;
  /** For the operator. */
  warning: string;
}

/** The time after a failed sync, before the file has told what is so. */
export interface Unknown {
  reason: string;
  /** When the file was last asked, on the monotonic clock. */
  triedAt: number;
}

/** @param cacheLimit bytes that the messages in memory may take */
export function newLocal(
  store: Store,
  cacheLimit: number,
  limits: Limits,
  watcher: Watcher,
  clock: Clock,
  warn: (text: string) => void,
): Local {
  const queues = new Map<string, Queue>();
  let bytes = 0;
  for (const stored of store.queues()) {
    queues.set(stored.name, newQueue(stored));
    bytes += stored.bytes;
  }
  return {
    store,
    queues,
    cache: newCache(cacheLimit),
    limits,
    watcher,
    clock,
    bytes,
    changes: newChanges(),
    recounts: new Set(),
    lost: 0,
    epoch: 0,
    unknown: undefined,
    warn,
  };
}

function newChanges(): Changes {
  return {
    touched: [],
    created: [],
    dropped: [],
    losses: [],
    recounted: [],
    bytes: 0,
    costly: 0,
  };
}

export function isChanged({ changes }: Local): boolean {
  const { touched, created, dropped } = changes;
  return touched.length > 0 || created.length > 0 || dropped.length > 0;
}

/** The group uses the queue. */
export function touch({ changes }: Local, queue: Queue): void {
  if (queue.touched) return;
  queue.touched = true;
  changes.touched.push(queue);
}
