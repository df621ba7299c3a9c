/** A broker over a real store, and the requests that tests make of it. */
import {
  abortMessage,
  type Broker,
  closeMessage,
  dismiss,
  flushQueue,
  type Limits,
  openBroker,
  setMessage,
  takeMessage,
} from "../../../src/queues/local/broker.ts";
import { cancel, commit } from "../../../src/queues/local/commit.ts";
import { type Consumer, newConsumer, type Taking } from "../../../src/queues/local/consumer.ts";
import { queueCounts, queueDetails } from "../../../src/queues/local/details.ts";
import { newMessage } from "../../../src/queues/local/message.ts";
import { segmentCost } from "../../../src/queues/local/segment.ts";
import type { Store } from "../../../src/store/store.ts";
import { newHome, open } from "../../store/scratch.ts";

export interface Taken {
  flags: number;
  number: number;
  body: string;
}

/** One broker after the other over the same directory. */
export interface Shop {
  home: string;
  store: Store;
  broker: Broker;
  memory: number;
  limits: Limits;
}

export const NO_LIMITS: Limits = { messages: Infinity, bytes: Infinity };

export function newShop(memory = 1024 * 1024, limits = NO_LIMITS): Shop {
  const home = newHome();
  const store = open(home);
  return { home, store, broker: openBroker(store, memory, limits), memory, limits };
}

/** What is not committed is forgotten, as when the process is killed. */
export function restart(shop: Shop): void {
  shop.store.close();
  shop.store = open(shop.home);
  shop.broker = openBroker(shop.store, shop.memory, shop.limits);
}

export function put(shop: Shop, queue: string, body: string | Buffer, flags = 0): boolean {
  const bytes = typeof body === "string" ? Buffer.from(body, "latin1") : body;
  // Amid other bytes, as a body arrives.
  const source = Buffer.concat([Buffer.from("before"), bytes, Buffer.from("\r\nafter")]);
  return setMessage(shop.broker, queue, flags, source, 6, 6 + bytes.length, false);
}

export function take(
  shop: Shop,
  queue: string,
  consumer: Consumer = newConsumer(),
  taking: Taking = "take",
): Taken | undefined {
  const message = newMessage();
  if (!takeMessage(shop.broker, queue, taking, consumer, message)) return undefined;
  const { flags, number, bytes, start, end } = message;
  return { flags, number, body: bytes.toString("latin1", start, end) };
}

/** The body of the next message. */
export function body(
  shop: Shop,
  queue: string,
  consumer?: Consumer,
  taking?: Taking,
): string | undefined {
  return take(shop, queue, consumer, taking)?.body;
}

export function close(shop: Shop, queue: string, consumer: Consumer): boolean {
  return closeMessage(shop.broker, queue, consumer);
}

export function abort(shop: Shop, queue: string, consumer: Consumer): void {
  abortMessage(shop.broker, queue, consumer);
}

export function leave(shop: Shop, consumer: Consumer): void {
  dismiss(shop.broker, consumer);
}

export function flush(shop: Shop, queue: string): void {
  flushQueue(shop.broker, queue);
}

export function save(shop: Shop): void {
  commit(shop.broker);
}

/** Nothing since the last commit happened, as when it failed. */
export function undo(shop: Shop): void {
  cancel(shop.broker);
}

/** All bodies that can be taken; the broker is as if it had not been asked. */
export function available(shop: Shop, queue: string): string[] {
  const consumer = newConsumer();
  const found: string[] = [];
  for (
    let next = body(shop, queue, consumer);
    next !== undefined;
    next = body(shop, queue, consumer)
  ) {
    found.push(next);
  }
  dismiss(shop.broker, consumer);
  return found;
}

export function counts({ broker }: Shop): string[] {
  return [...queueCounts(broker)].map(({ name, sets, gets }) => `${name} ${sets}/${gets}`);
}

export function details({ broker }: Shop, queue: string) {
  return queueDetails(broker, queue);
}

/** What is wrong with the broker's own books. */
export function faults({ broker }: Shop): string[] {
  const { memory, queues } = broker;
  const found: string[] = [];
  const all = [...queues.values()];
  const segments = all.flatMap((queue) => [...queue.segments, ...queue.spent]);
  const used = segments.reduce((total, segment) => total + segmentCost(segment), 0);
  if (memory.used !== used) found.push(`memory ${memory.used}, not ${used}`);
  const holders = all.filter((queue) => queue.segments.length > 0);
  if (
    memory.holders.size !== holders.length ||
    !holders.every((each) => memory.holders.has(each))
  ) {
    found.push(`${memory.holders.size} queues hold segments, not ${holders.length}`);
  }
  const bytes = all.reduce((total, queue) => total + queue.bytes, 0);
  if (broker.bytes !== bytes) found.push(`${broker.bytes} bytes, not ${bytes}`);
  return found;
}
