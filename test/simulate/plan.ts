/**
 * What a simulated run does, as plain data: the same plan gives the same run, byte for byte, and a part of a plan is a
 * plan, too. A step that names a client who is not there does nothing, so that any step can be left out.
 */
import type { Ask } from "./ask.ts";
import type { Rule } from "./rules.ts";

export interface Plan {
  seed: number;
  config: Config;
  steps: Step[];
}

export interface Config {
  /** The store: a stand-in in memory, or SQLite over a scratch file. */
  store: "memory" | "sqlite";
  /** The backend answers later; it does the work as soon as it is asked, or right before it answers. */
  late: "no" | "works at once" | "works late";
  /** late: turns of the loop until it answers, and operations that it executes in one call. */
  lateTurns: number;
  lateOperations: number;
  /** Bytes of the largest body, and of messages kept in memory. */
  maxBody: number;
  cacheLimit: number;
  /** The limits of one queue in messages, and of all in bytes; 0 is none. */
  maxMessages: number;
  maxBytes: number;
  /** Settings of single queues. */
  rules: Rule[];
  /** Bounds of what is held of requests and of replies, in bytes; 0 is none. */
  maxInput: number;
  maxOutput: number;
  waitsForDisk: boolean;
  logBuffer: number;
  /** A look at the clock takes up to so many microseconds, and a commit so many. */
  lookMicros: number;
  commitMicros: number;
}

/** How a client is: `window` is how many bytes are on their way to it before the system takes no more. */
export interface Habits {
  binary: boolean;
  reads: "all" | "slowly" | "never";
  window: number;
}

export type Step =
  | { do: "connect"; client: number; habits: Habits }
  /** `pieces`: lengths in bytes of the parts in which the requests arrive; the rest arrives at once. */
  | { do: "send"; client: number; asks: Ask[]; pieces?: number[] | undefined }
  /** One turn of the event loop: sockets are read, then what waited for that is done. */
  | { do: "turn"; times: number }
  /** The clock and its timers go on. */
  | { do: "pass"; ms: number }
  /** The calendar jumps. */
  | { do: "jump"; ms: number }
  /**
   * The client ends its side; is gone, and the server hears of it; is gone once what it has sent has arrived, and the
   * server does not know it yet.
   */
  | { do: "end" | "reset" | "vanish"; client: number }
  /** A slow client reads. */
  | { do: "read"; client: number; bytes: number }
  | { do: "fault"; what: Fault; times: number }
  /** The store loses the rows of a queue from its `row`-th on. */
  | { do: "lose"; queue: string; row: number }
  | { do: "maintain" }
  | { do: "crash" }
  /** All goes on until nothing is left to do; then everything is compared. */
  | { do: "rest" };

/**
 * The next commit fails; its sync fails, and the change is in the file, or is not; the file cannot be read anew after
 * that; a read fails; a checkpoint fails.
 */
export type Fault = "commit" | "sync kept" | "sync lost" | "recover" | "read" | "checkpoint";
