/** Stores in directories that are gone after the tests, and messages to put into them. */
import { Database } from "bun:sqlite";
import { afterAll, setDefaultTimeout } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  type Batch,
  type HeldMessage,
  newBatch,
  type Position,
  type StoredSegment,
} from "../../src/store/batch.ts";
import { makeHome } from "../../src/store/directory.ts";
import type { StoreOptions } from "../../src/store/opening.ts";
import { openStore } from "../../src/store/sqlite.ts";
import { type Store, StoreError } from "../../src/store/store.ts";

/** What a producer sends. */
export interface Sent {
  flags: number;
  body: Buffer;
}

export type Numbered = Sent & { number: number };

/** A segment's key is its queue's id and the number of its first message, 20 and 43 bits. */
export const NUMBER_BITS = 43;

const directories = new Set<string>();
const closing = new Set<{ close(): void }>();

/** To be called once at the top of each test file. */
export function suite(): void {
  setDefaultTimeout(60_000);
  afterAll(() => {
    for (const one of closing) one.close();
    closing.clear();
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
    directories.clear();
  });
}

/** A directory in which there is nothing. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "memcacheq-store-"));
  directories.add(directory);
  return directory;
}

/** A home without a database. */
export function newHome(): string {
  const directory = join(scratch(), "home");
  makeHome(directory);
  return directory;
}

export function fileIn(directory: string): string {
  return join(directory, "memcacheq.db");
}

export function logIn(directory: string): string {
  return `${fileIn(directory)}-wal`;
}

/** Opens a store that is closed at the end at the latest. */
export function open(directory: string, options: Partial<StoreOptions> = {}): Store {
  const store = openStore({
    directory,
    pageSize: 4096,
    cache: 1024 * 1024,
    sync: false,
    shrinkLog: false,
    lockWait: 0,
    lastingDamage: 0,
    extentPages: 0,
    ...options,
  });
  return closedAtTheEnd(store);
}

/** A second connection to the file, as a shell or a backup has it. */
export function connect(directory: string): Database {
  return closedAtTheEnd(new Database(fileIn(directory), { readwrite: true, strict: true }));
}

function closedAtTheEnd<T extends { close(): void }>(one: T): T {
  let closed = false;
  const close = one.close.bind(one);
  one.close = () => {
    if (!closed) close();
    closed = true;
  };
  closing.add(one);
  return one;
}

export function rows<T>(directory: string, query: string): T[] {
  const database = connect(directory);
  const found = database.query<T, []>(query).all();
  database.close();
  return found;
}

/** The segments that are there, as "queue:first+count". */
export function segmentsIn(directory: string): string[] {
  const mask = 2 ** NUMBER_BITS - 1;
  return rows<{ segment: string }>(
    directory,
    `SELECT (key >> ${NUMBER_BITS}) || ':' || (key & ${mask}) || '+' || count AS segment
      FROM segment ORDER BY key`,
  ).map(({ segment }) => segment);
}

export function sent(body: string | Buffer, flags = 0): Sent {
  return { flags, body: typeof body === "string" ? Buffer.from(body, "latin1") : body };
}

/** Messages "<prefix>1", "<prefix>2" and so on, from number `first` on. */
export function numberedBodies(prefix: string, count: number, first = 1): Sent[] {
  return Array.from({ length: count }, (_, n) => sent(`${prefix}${first + n}`, first + n));
}

/** The messages as the store is given them: one as it is, more with a head before each. */
export function segment(queue: number, first: number, messages: Sent[]): StoredSegment {
  const [only] = messages;
  if (only !== undefined && messages.length === 1) {
    return { queue, first, count: 1, flags: only.flags, body: only.body };
  }
  const parts = messages.flatMap(({ flags, body }) => {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(body.length, 0);
    head.writeUInt32LE(flags, 4);
    return [head, body];
  });
  return { queue, first, count: messages.length, flags: 0, body: Buffer.concat(parts) };
}

export function messagesOf(segments: StoredSegment[]): Numbered[] {
  return segments.flatMap(({ first, count, flags, body }) => {
    const bytes = Buffer.from(body);
    if (count === 1) return [{ number: first, flags, body: bytes }];
    let at = 0;
    return Array.from({ length: count }, (_, n) => {
      const end = at + 8 + bytes.readUInt32LE(at);
      const message = {
        number: first + n,
        flags: bytes.readUInt32LE(at + 4),
        body: bytes.subarray(at + 8, end),
      };
      at = end;
      return message;
    });
  });
}

export function numbered(messages: Sent[], first = 1): Numbered[] {
  return messages.map((message, n) => ({ number: first + n, ...message }));
}

export function position(queue: number, head: number, tail: number, bytes = 0): Position {
  return { queue, head, tail, bytes };
}

/** Messages of the queue, as a batch names them. */
export function messages(queue: number, ...numbers: number[]): HeldMessage[] {
  return numbers.map((number) => ({ queue, number }));
}

export function commit(store: Store, change: Partial<Batch>): void {
  store.commit({ ...newBatch(), ...change });
}

/** Makes a queue. */
export function make(store: Store, name: string): number {
  const queue = store.newQueueId();
  if (queue === undefined) throw new Error("no id is left");
  commit(store, { created: [{ queue, name }], positions: [position(queue, 1, 1)] });
  return queue;
}

/** Appends messages to the queue, each group as one segment, in one commit. The next number is returned. */
export function put(store: Store, queue: number, first: number, ...groups: Sent[][]): number {
  let tail = first;
  const segments = groups.map((messages) => {
    tail += messages.length;
    return segment(queue, tail - messages.length, messages);
  });
  commit(store, { segments, positions: [position(queue, 1, tail)] });
  return tail;
}

/** Moves the queue's head: what is before it is gone. */
export function take(store: Store, queue: number, head: number, tail: number): void {
  commit(store, { positions: [position(queue, head, tail)] });
}

/** Does all the work that waits; how many portions it took. */
export function maintainAll(store: Store): number {
  for (let portions = 1; portions < 10_000; portions++) if (!store.maintain()) return portions;
  throw new Error("there is no end to it");
}

/** What the store says of itself is that it failed, in one line. */
export function failure(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.message === "" || error.message.includes("\n")) {
      throw new Error(`not one line: ${JSON.stringify(error.message)}`, { cause: error });
    }
    return error.message;
  }
  throw new Error("it worked");
}

/** A queue of `count` segments of one message each. */
export function singles(store: Store, name: string, count: number, size = 10): number {
  const queue = make(store, name);
  put(store, queue, 1, ...Array.from({ length: count }, (_, n) => [sent(Buffer.alloc(size, n))]));
  return queue;
}
