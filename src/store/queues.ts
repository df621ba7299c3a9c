import { LEASED } from "./schema.ts";
import type { QueueRow, Statements } from "./statements.ts";
import type { StoredDelivery, StoredQueue } from "./store.ts";

/** Shared by all queues without held messages. */
const NONE: readonly never[] = Object.freeze([]);

/** See {@link Store.queues}. */
export function storedQueues({ queues, held, lastSteps }: Statements): StoredQueue[] {
  const numbers = new Map<number, number[]>();
  const deliveries = new Map<number, StoredDelivery>();
  for (const { queue, number, kind, deliveries: count, due, lease } of held.iterate()) {
    if (kind === LEASED || count > 0) {
      const known = madeIn(deliveries, queue, newDelivery);
      if (kind !== LEASED) known.deliveries.set(number, count);
      else known.leases.push({ number, deliveries: count, due: due ?? 0, length: lease ?? 0 });
    }
    if (kind !== LEASED) madeIn(numbers, queue, () => []).push(number);
  }
  const expires = new Map<number, number>();
  for (const step of lastSteps.iterate()) expires.set(step.queue, step.expires);
  return queues.all().map((row) => {
    const stored = storedQueue(row, numbers.get(row.id), deliveries.get(row.id));
    const last = expires.get(row.id);
    if (last !== undefined) stored.expires = last;
    return stored;
  });
}

function madeIn<T>(map: Map<number, T>, key: number, make: () => T): T {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

function newDelivery(): StoredDelivery {
  return { deliveries: new Map(), leases: [], delayed: 0, ahead: 0 };
}

function storedQueue(
  { id, name, head, tail, bytes, delayed, ahead, paused, lost }: QueueRow,
  held: number[] | undefined,
  known: StoredDelivery | undefined,
): StoredQueue {
  const isDelayed = delayed !== null && delayed > 0;
  const delivery = isDelayed ? (known ?? newDelivery()) : known;
  if (isDelayed && delivery !== undefined) Object.assign(delivery, { delayed, ahead: ahead ?? 0 });
  return {
    queue: id,
    name: Buffer.from(name).toString("latin1"),
    head,
    tail,
    bytes,
    paused: paused ?? undefined,
    recount: lost === 1 ? true : undefined,
    held: held ?? (NONE as readonly number[] as number[]),
    delivery,
  };
}
