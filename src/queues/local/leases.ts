import { StoreError } from "../../store/store.ts";
import { nameOf } from "./consumer.ts";
import { type Lease, newDelivery, setCount, setLease, setRow } from "./delivery.ts";
import { bury, giveBack } from "./give_back.ts";
import { addEnd } from "./lease_ends.ts";
import {
  type LocalConsumer,
  type Message,
  noteGone,
  type Queue,
  settle,
  tableOf,
} from "./queue.ts";
import { lengthOf } from "./reading.ts";
import { type Local, now } from "./state.ts";
import { tally } from "./tally.ts";

/*
 * A lease is told by a number that no other delivery of the message has: that of the message, and above its 43 bits how
 * often it was delivered before, modulo 1024. So a late acknowledgement never meets the next holder's lease.
 */
const NUMBERS = 2 ** 43;
const DELIVERIES = 1024;
/** Leases are in memory. */
const MAX_LEASES = 100_000;

/** The number of the message's next lease. */
export function leaseNumber({ delivery }: Queue, number: number): number {
  return toldNumber(number, delivery?.counts.get(number) ?? 0);
}

/** The number by which a delivery of a message is told, after so many earlier ones. */
export function toldNumber(number: number, earlier: number): number {
  return number + NUMBERS * (earlier % DELIVERIES);
}

/** The lease of the message with the lowest number. */
export function oldestLease({ delivery }: Queue): Lease | undefined {
  let oldest: Lease | undefined;
  for (const each of delivery?.leases.values() ?? []) {
    if (oldest === undefined || each.number < oldest.number) oldest = each;
  }
  return oldest;
}

/** The message, which was just taken, is leased. */
export function lease(
  local: Local,
  queue: Queue,
  message: Message,
  milliseconds: number,
  consumer: LocalConsumer | undefined,
): void {
  const { number, start, end } = message;
  const delivery = (queue.delivery ??= newDelivery());
  const deliveries = (delivery.counts.get(number) ?? 0) + 1;
  const due = now(local) + milliseconds;
  const made: Lease = {
    number,
    deliveries,
    due,
    length: milliseconds,
    bytes: end - start,
    client: consumer && nameOf(consumer),
  };
  hold(local, queue, made);
  setCount(delivery, number, 0);
  if (deliveries > 1) tally(local, queue, "redelivered");
}

/** The message's number in that of its delivery. */
export function numberOf(told: number): number {
  return told % NUMBERS;
}

/** @throws StoreError when there are so many leases that there is no memory for more */
export function failIfFull({ delivery }: Queue): void {
  if (delivery === undefined || delivery.leases.size < MAX_LEASES) return;
  throw new StoreError(`${MAX_LEASES} messages of this queue are leased already`);
}

function hold({ due }: Local, queue: Queue, made: Lease): void {
  const { number, deliveries } = made;
  const delivery = (queue.delivery ??= newDelivery());
  setRow(delivery, number, tableOf(queue, number), { table: "held", deliveries, lease: made });
  setLease(delivery, number, made);
  settle(queue, number);
  addEnd(due.ends, { queue, lease: made });
}

/** The lease with that number, if it is not over. */
export function findLease({ delivery }: Queue, told: number): Lease | undefined {
  const found = delivery?.leases.get(numberOf(told));
  const earlier = Math.floor(told / NUMBERS);
  return found !== undefined && (found.deliveries - 1) % DELIVERIES === earlier ? found : undefined;
}

/** The consumer is done with the leased message, which is gone. */
export function acknowledge(local: Local, queue: Queue, { number, bytes }: Lease): void {
  const length = bytes >= 0 ? bytes : lengthOf(local, queue, number);
  noteGone(queue, number, length);
  local.bytes -= length;
}

/** The lease ends so many milliseconds from now; 0: the message goes back now, below 0: to the dead letters. */
export function extend(local: Local, queue: Queue, known: Lease, milliseconds: number): void {
  const { number, deliveries } = known;
  if (milliseconds > 0) {
    hold(local, queue, { ...known, due: now(local) + milliseconds, length: milliseconds });
  } else if (milliseconds === 0 || !bury(local, queue, number, "dead")) {
    giveBack(local, queue, number, deliveries);
  }
}
