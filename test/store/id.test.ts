/** The largest id that a queue can have: its segments' keys are the largest integers that the file can hold. */
import { expect, test } from "bun:test";

import {
  commit,
  connect,
  maintainAll,
  messagesOf,
  newHome,
  NUMBER_BITS,
  numbered,
  numberedBodies,
  open,
  position,
  put,
  segment,
  segmentsIn,
  suite,
} from "./scratch.ts";

suite();

const LAST = 1_048_575;
const ALL = Number.MAX_SAFE_INTEGER;

/** A home in which queue `q` has id {@link LAST} and ten messages in two segments. */
function prepared(): string {
  const directory = newHome();
  const store = open(directory);
  commit(store, { created: [{ queue: 1, name: "q" }] });
  put(store, 1, 1, numberedBodies("", 4), numberedBodies("", 6, 5));
  store.close();
  const database = connect(directory);
  database.run(`UPDATE queue SET id = ${LAST}`);
  database.run(`UPDATE segment SET key = key + (${LAST - 1} << ${NUMBER_BITS})`);
  database.close();
  return directory;
}

test("a queue with the last id is read", () => {
  const store = open(prepared());
  expect(store.queues()).toEqual([{ name: "q", ...position(LAST, 1, 11), held: [] }]);
  const messages = numbered(numberedBodies("", 10));
  expect(messagesOf(store.read(LAST, 1, ALL))).toEqual(messages);
  expect(messagesOf(store.read(LAST, 7, ALL))).toEqual(messages.slice(4));
  expect(store.arrived(LAST, 10)).toBeWithin(Date.now() - 60_000, Date.now() + 1);
  store.close();
});

test("it goes on, is swept, and is dropped", () => {
  const directory = prepared();
  const store = open(directory);
  commit(store, {
    segments: [segment(LAST, 11, numberedBodies("", 5, 11))],
    positions: [position(LAST, 5, 16)],
  });
  expect(messagesOf(store.read(LAST, 11, ALL))).toEqual(numbered(numberedBodies("", 5, 11), 11));
  expect(store.newQueueId()).toBe(1);
  maintainAll(store);
  expect(segmentsIn(directory)).toEqual([`${LAST}:5+6`, `${LAST}:11+5`]);
  commit(store, { dropped: [LAST] });
  maintainAll(store);
  expect(segmentsIn(directory)).toEqual([]);
  store.close();
});
