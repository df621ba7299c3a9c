import type { Clock } from "../util/clock.ts";

/** The options of the engine. */
export interface Settings {
  /** Bytes of the largest body. */
  maxBody: number;
  /** A commit waits for the disk, so that gathering a little longer may pay. */
  waitsForDisk: boolean;
  /** Bytes that close a group, once gathering has taken as long as the last commit. */
  logBuffer: number;
  version: string;
  /** `stats` tells of each queue, if there are not more than so many. */
  statsQueues: number;
}

/** The time, when the engine is called again, and the process that it is in: those of the system, or simulated ones. */
export interface Runtime extends Clock {
  /** Calls once all sockets that have something to read were read. */
  soon(work: () => void): void;
  /** Calls after so many milliseconds, unless the returned function was called before. */
  after(milliseconds: number, work: () => void): () => void;
  process(): ProcessFacts;
}

export interface ProcessFacts {
  pid: number;
  /** Time of the processor that it used, itself and in the system, in microseconds. */
  user: number;
  system: number;
}
