import type { LocalConsumer, Queue } from "./queue.ts";

export function newConsumer(): LocalConsumer {
  const open = new Map<Queue, number>();
  return { open, openQueues: () => open.keys().map(({ name }) => name) };
}
