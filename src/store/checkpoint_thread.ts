import type { Home } from "./directory.ts";

/**
 * The thread that brings the log into the database beside the commits, as the server sees it: see checkpointer.ts. It is
 * started when it is needed first, and lingers for a while after its work.
 */
export interface CheckpointThread {
  home: Home;
  /**
   * Pages of log that may be left when it ends its work, which are brought in on the loop: the most, and a number that is not
   * worth another attempt.
   */
  most: number;
  few: number;
  /** Undefined: there is none. */
  phase: Int32Array | undefined;
  /** It was given work, and the end of that was not seen yet. */
  hasWork: boolean;
  /** It could not be started, or another connection is impossible: there will be none. */
  isImpossible: boolean;
}

/** What a thread of a checkpoint is started with. */
export interface CheckpointerInput {
  /** One thread does the checkpoint; the other has the disk begin early with the pages that it has written. */
  role: "checkpoint" | "writer";
  /** The database file, and a descriptor of it that stays open. */
  file: string;
  descriptor: number;
  /** See {@link CheckpointThread}. */
  most: number;
  few: number;
  /** One number, a {@link PHASES}: both threads see it. */
  phase: SharedArrayBuffer;
}

/**
 * `waiting`: another process reads, and keeps pages in the log. `stopping`: it is gone after its current step. From `ended` on
 * it has no connection: `ended` may become `starting` again, `failed` tells that a sync failed, and both threads are gone
 * after `failed` and `gone`.
 */
export const PHASES = {
  starting: 0,
  running: 1,
  waiting: 2,
  stopping: 3,
  ended: 4,
  failed: 5,
  gone: 6,
} as const;

const { starting, running, waiting, stopping, ended, failed, gone } = PHASES;

export function newCheckpointThread(home: Home, few: number, most: number): CheckpointThread {
  return { home, few, most, phase: undefined, hasWork: false, isImpossible: false };
}

export type ThreadState = "none" | "running" | "waiting" | "just ended" | "just failed";

/** What the thread does; that its work has ended is told once. */
export function stateOf(thread: CheckpointThread): ThreadState {
  const { phase, hasWork } = thread;
  if (phase === undefined || !hasWork) return "none";
  const now = Atomics.load(phase, 0);
  if (now < ended) return now === waiting ? "waiting" : "running";
  thread.hasWork = false;
  if (now !== failed) return "just ended";
  thread.phase = undefined;
  return "just failed";
}

/** Gives work to the thread, which must have none. */
export function startWork(thread: CheckpointThread): void {
  thread.hasWork = true;
  const { phase } = thread;
  if (phase !== undefined && Atomics.compareExchange(phase, 0, ended, starting) === ended) {
    Atomics.notify(phase, 0);
  } else {
    startThreads(thread);
  }
}

/** Lets the threads of the work that is going on have the processor and the disk for so many milliseconds. */
export function yieldTo({ phase }: CheckpointThread, milliseconds: number): void {
  if (phase !== undefined) Atomics.wait(phase, 0, running, milliseconds);
}

/**
 * Waits until the thread, if there is one, has closed its connection. It is in the middle of a checkpoint at most.
 * @returns whether a sync of it failed
 */
export function endThread(thread: CheckpointThread): boolean {
  const { phase } = thread;
  if (phase === undefined) return false;
  thread.phase = undefined;
  thread.hasWork = false;
  let now = Atomics.load(phase, 0);
  while (now < failed) {
    const next = now === starting || now === ended ? gone : stopping;
    const before = Atomics.compareExchange(phase, 0, now, next);
    if (before === now) break;
    now = before;
  }
  Atomics.notify(phase, 0);
  Atomics.wait(phase, 0, stopping);
  return Atomics.load(phase, 0) === failed;
}

function startThreads(thread: CheckpointThread): void {
  const { home, few, most } = thread;
  const phase = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const input = { file: home.file, descriptor: home.fileLock, few, most, phase };
  const shared = new Int32Array(phase);
  thread.phase = shared;
  for (const role of ["checkpoint", "writer"] as const) {
    // The Worker of node:worker_threads would take 7 MB from the start, even when it is never used.
    const worker = new Worker(new URL("./checkpointer.ts", import.meta.url));
    worker.unref();
    worker.addEventListener("error", () => {
      if (role === "checkpoint") disable(thread, shared);
    });
    worker.postMessage({ ...input, role });
  }
}

/** Where no thread can be started, checkpoints are done on the loop: an endless log would be worse than a wait. */
function disable(thread: CheckpointThread, phase: Int32Array): void {
  if (Atomics.compareExchange(phase, 0, starting, gone) === starting) thread.isImpossible = true;
}
