import type { LocalConsumer, Queue } from "./queue.ts";

const nameless = () => "";

/** @param client tells the client's address */
export function newConsumer(client: () => string = nameless): LocalConsumer {
  const open = new Map<Queue, number>();
  return { open, client, openQueues: () => open.keys().map(({ name }) => name) };
}
