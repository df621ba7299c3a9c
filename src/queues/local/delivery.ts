import type { Moved, StoredDelivery, StoredLease } from "../../store/store.ts";
import { addNumber, newNumberSet, type NumberSet, removeNumber } from "./number_set.ts";

/*
 * What is known of the deliveries of one queue's messages, beside what queue.ts keeps of all queues. A message that is
 * leased, waits for its time or was delivered before has a row in the store, in one of two tables:
 *
 *     held      open, put back or leased. All of them are in memory, too.
 *     delayed   waits until it is due. Those that are due are `brought` into memory; others are in the store only, of
 *               which there may be millions.
 *
 * Rows of delayed messages from the head on are `ahead`: the head skips these messages, and they are delivered like
 * messages that were put back. Below the head each message that is still in the queue is held or delayed. Of those from
 * `stored.head` up to the head none is delayed, so what the store lacks of them needs no look into it.
 */
export interface Delivery {
  /** By number. A lease is never changed, but replaced by another. */
  leases: Map<number, Lease>;
  /** How often messages that are open or available were delivered, where that is not 0. */
  counts: Map<number, number>;
  /** Messages whose row is in `delayed`, and that are available or open. */
  brought: NumberSet;
  /** Those of them that were brought before their time, and when that is: see early.ts. */
  early: Map<number, number>;
  /** Rows in `delayed`, and those of them from the head on. */
  delayed: number;
  ahead: number;
  /** No message from the head up to this number is delayed. */
  clear: number;
  /** `delayed` and `ahead` as of the last commit. */
  saved: { delayed: number; ahead: number };
  /** What the group has changed. */
  changes: DeliveryChanges | undefined;
}

/** A message that is taken until it is acknowledged, or until the lease ends. */
export interface Lease extends StoredLease {
  /** Of the body; -1 when it is not known, after a start. */
  bytes: number;
  /** The address of the client that it was delivered to, in words for people; undefined after a start. */
  client: string | undefined;
}

/** The row of a message in the store. */
export type Row =
  | { table: "held"; deliveries: number; lease: Lease | undefined }
  | { table: "delayed"; deliveries: number; due: number };

/** What was in the store, and what will be; undefined: no row. */
export interface RowChange {
  was: Row["table"] | undefined;
  now: Row | undefined;
}

export interface DeliveryChanges {
  rows: Map<number, RowChange>;
  /** Delayed messages that the group has set, ascending. */
  set: number[];
  /** As of the last commit, of what has changed since. */
  leases: Map<number, Lease | undefined>;
  counts: Map<number, number | undefined>;
  /** Messages that came from other queues, by their new number. */
  moved: Map<number, Moved>;
  /** Messages that were brought, and are no longer. */
  unbrought: number[];
}

export function newDelivery(): Delivery {
  return {
    leases: new Map(),
    counts: new Map(),
    brought: newNumberSet(),
    early: new Map(),
    delayed: 0,
    ahead: 0,
    clear: 0,
    saved: { delayed: 0, ahead: 0 },
    changes: undefined,
  };
}

/** Makes it what the store has. */
export function takeStoredDelivery(delivery: Delivery, stored: StoredDelivery): void {
  const { deliveries, leases, delayed, ahead } = stored;
  delivery.leases = new Map(
    leases.map((lease) => [lease.number, { ...lease, bytes: -1, client: undefined }]),
  );
  delivery.counts = new Map(deliveries);
  delivery.brought = newNumberSet();
  delivery.delayed = delayed;
  delivery.ahead = ahead;
  delivery.saved = { delayed, ahead };
  delivery.clear = 0;
  delivery.changes = undefined;
}

export function changesOf(delivery: Delivery): DeliveryChanges {
  return (delivery.changes ??= {
    rows: new Map(),
    set: [],
    moved: new Map(),
    leases: new Map(),
    counts: new Map(),
    unbrought: [],
  });
}

/** How many messages wait for their time. */
export function countWaiting(delivery: Delivery | undefined): number {
  return delivery === undefined ? 0 : delivery.delayed - delivery.brought.size;
}

export function setLease(delivery: Delivery, number: number, lease: Lease | undefined): void {
  const { leases } = changesOf(delivery);
  const before = delivery.leases.get(number);
  if (!leases.has(number)) leases.set(number, before);
  if (lease === undefined) delivery.leases.delete(number);
  else delivery.leases.set(number, lease);
}

/** The message, which is open or available, was delivered so often; 0 also when it is neither any more. */
export function setCount(delivery: Delivery, number: number, count: number): void {
  const before = delivery.counts.get(number);
  if ((before ?? 0) === count) return;
  const { counts } = changesOf(delivery);
  if (!counts.has(number)) counts.set(number, before);
  if (count === 0) delivery.counts.delete(number);
  else delivery.counts.set(number, count);
}

/** The message will have this row in the store, or none. @param was the table in which it has one, in the last commit */
export function setRow(
  delivery: Delivery,
  number: number,
  was: Row["table"] | undefined,
  row: Row | undefined,
): void {
  const { rows, unbrought } = changesOf(delivery);
  const known = rows.get(number);
  const before = known === undefined ? was : known.now?.table;
  if (before === "delayed") delivery.delayed--;
  if (row?.table === "delayed") delivery.delayed++;
  if (known === undefined) rows.set(number, { was, now: row });
  else known.now = row;
  if (removeNumber(delivery.brought, number)) unbrought.push(number);
}

/** Nothing of the group has happened. */
export function rollBackDelivery(delivery: Delivery): void {
  const { changes, saved } = delivery;
  delivery.clear = 0;
  delivery.delayed = saved.delayed;
  delivery.ahead = saved.ahead;
  if (changes === undefined) return;
  restoreEntries(delivery.leases, changes.leases);
  restoreEntries(delivery.counts, changes.counts);
  for (const number of changes.unbrought) addNumber(delivery.brought, number);
  delivery.changes = undefined;
}

function restoreEntries<T>(map: Map<number, T>, before: Map<number, T | undefined>): void {
  for (const [number, value] of before) {
    if (value === undefined) map.delete(number);
    else map.set(number, value);
  }
}
