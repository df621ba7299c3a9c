import type { Consumer } from "../backend.ts";
import type { Queue } from "./queue.ts";

/** A client, and the messages that it has open: the number of one in each queue at most. */
export interface LocalConsumer extends Consumer {
  readonly open: Map<Queue, number>;
}

export function newConsumer(): LocalConsumer {
  return { open: new Map() };
}
