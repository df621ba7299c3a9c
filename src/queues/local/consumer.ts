import type { Queue } from "./queue.ts";

/** Somebody who takes messages. */
export interface Consumer {
  /** The messages that it has open, one a queue at most: their numbers. */
  open: Map<Queue, number>;
}

export function newConsumer(): Consumer {
  return { open: new Map() };
}

/** How a message is taken: gone with the answer, kept until it is closed, or left where it is. */
export type Taking = "take" | "open" | "peek";
