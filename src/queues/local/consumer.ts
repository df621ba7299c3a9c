import type { Consumer } from "../operation.ts";
import type { Queue } from "./queue.ts";

/** A client, and the messages that it has open: the number of one in each queue at most. */
export interface LocalConsumer extends Consumer {
  readonly open: Map<Queue, number>;
}

export function newConsumer(): LocalConsumer {
  const open = new Map<Queue, number>();
  return { open, openQueues: () => open.keys().map(({ name }) => name) };
}
