import type { LocalConsumer } from "./consumer.ts";

/** A message that a consumer has taken, and neither closed nor given back. */
export interface OpenMessage {
  number: number;
  consumer: LocalConsumer;
  /** Of the body, in bytes. */
  length: number;
}

/**
 * The open messages of a queue: none, one, or a map by their numbers. A hundred thousand queues with an open message each
 * are not unusual, and a map takes several times as much memory as the one message.
 */
export type OpenMessages = undefined | OpenMessage | Map<number, OpenMessage>;

/** What has open messages: a queue. */
interface Holder {
  open: OpenMessages;
}

export function countOpen({ open }: Holder): number {
  if (open === undefined) return 0;
  return open instanceof Map ? open.size : 1;
}

export function findOpen({ open }: Holder, number: number): OpenMessage | undefined {
  if (open instanceof Map) return open.get(number);
  return open?.number === number ? open : undefined;
}

/** In no particular order. */
export function listOpen({ open }: Holder): Iterable<OpenMessage> {
  if (open instanceof Map) return open.values();
  return open === undefined ? [] : [open];
}

export function addOpen(holder: Holder, message: OpenMessage): void {
  const { open } = holder;
  if (open === undefined) holder.open = message;
  else if (open instanceof Map) open.set(message.number, message);
  else
    holder.open = new Map([
      [open.number, open],
      [message.number, message],
    ]);
}

export function removeOpen(holder: Holder, number: number): OpenMessage | undefined {
  const found = findOpen(holder, number);
  if (found === undefined) return undefined;
  const { open } = holder;
  if (open instanceof Map) open.delete(number);
  if (!(open instanceof Map) || open.size === 0) holder.open = undefined;
  return found;
}
