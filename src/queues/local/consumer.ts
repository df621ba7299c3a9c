import type { LocalConsumer, Queue } from "./queue.ts";

const nameless = () => "";

/** @param client tells the client's address */
export function newConsumer(client: () => string = nameless): LocalConsumer {
  const open = new Map<Queue, number>();
  return { open, client, name: undefined, openQueues: () => open.keys().map(({ name }) => name) };
}

/** The client's address. All leases of the client have the same text: there may be very many. */
export function nameOf(consumer: LocalConsumer): string {
  return (consumer.name ??= consumer.client());
}
