/** Messages that wait for their time, in the store. */
import { expect, test } from "bun:test";

import { newRandom, seeds } from "../protocol/random.ts";
import {
  commit,
  maintainAll,
  make,
  messages,
  newHome,
  numberedBodies,
  open,
  position,
  put,
  segmentsIn,
  suite,
} from "./scratch.ts";

suite();

const START = { due: 0, queue: 0, number: 0 };

function delays(queue: number, numbers: readonly number[], dueOf = (number: number) => number) {
  const delayed = numbers.map((number) => ({ queue, number, due: dueOf(number), deliveries: 0 }));
  return { delayed, undelayed: [], counts: [{ queue, delayed: numbers.length, ahead: 0 }] };
}

test.each(seeds)("free numbers and delayed ones are found: seed %d", (seed) => {
  const random = newRandom(seed);
  const store = open(newHome());
  const [first, second] = [make(store, "a"), make(store, "b")];
  const numbers: number[] = [];
  for (let number = 1; number < 300; number++) {
    if (random.below(100) < 90) numbers.push(number);
  }
  commit(store, { delays: delays(first, numbers) });
  commit(store, { delays: delays(second, [1, 2, 3, 400]) });
  for (let from = 1; from < 310; from++) {
    let free = from;
    while (numbers.includes(free)) free++;
    expect(store.firstFree(first, from)).toBe(free);
    const some = store.firstFree(first, from, 20);
    expect(free - from < 20 ? some === free : some >= from + 20 && some <= free).toBe(true);
    expect(store.delayedFrom(first, from, 3)).toEqual(
      numbers.filter((number) => number >= from).slice(0, 3),
    );
  }
});

test("what is due comes in the order of its time, in portions, and with the name of its queue", () => {
  const store = open(newHome());
  const [a, b] = [make(store, "a"), make(store, "b\xff")];
  commit(store, { delays: delays(a, [1, 2, 3], (number) => 100 - number) });
  commit(store, { delays: delays(b, [1, 2], () => 98) });
  expect(store.nextDue(START)).toBe(97);
  const found = store.due(START, 98, 3);
  expect(found.map(({ name, number, due }) => `${name} ${number} ${due}`)).toEqual([
    "a 3 97",
    "a 2 98",
    "b\xff 1 98",
  ]);
  const place = found[2] as (typeof found)[number];
  expect(store.due(place, 98, 3)).toMatchObject([{ queue: b, number: 2 }]);
  expect(store.nextDue(place)).toBe(98);
  commit(store, { dropped: [b] });
  expect(store.due(place, 99, 9).map(({ name, number }) => [name, number])).toEqual([
    ["", 2],
    ["a", 1],
  ]);
  maintainAll(store);
  expect(store.due(place, 99, 9).map(({ name }) => name)).toEqual(["a"]);
});

test("a message that waits keeps its segment, until it waits no longer", () => {
  const home = newHome();
  const store = open(home);
  const queue = make(store, "q");
  const tail = put(store, queue, 1, numberedBodies("x", 3), numberedBodies("y", 2));
  commit(store, { positions: [position(queue, tail, tail)], delays: delays(queue, [2]) });
  maintainAll(store);
  expect(segmentsIn(home)).toEqual([`${queue}:1+3`]);
  const counts = [{ queue, delayed: 0, ahead: 0 }];
  commit(store, { delays: { delayed: [], undelayed: messages(queue, 2), counts } });
  maintainAll(store);
  expect(segmentsIn(home)).toEqual([]);
});

test("leases, deliveries and counts are there again", () => {
  const home = newHome();
  const store = open(home);
  const queue = make(store, "q");
  commit(store, {
    positions: [position(queue, 5, 9)],
    held: [
      { queue, number: 1 },
      { queue, number: 2, deliveries: 3 },
      { queue, number: 3, deliveries: 1, lease: { due: 77, length: 7 } },
    ],
    delays: { ...delays(queue, [4, 6]), counts: [{ queue, delayed: 2, ahead: 1 }] },
  });
  store.close();
  expect(open(home).queues()).toMatchObject([
    {
      held: [1, 2],
      delivery: {
        deliveries: new Map([[2, 3]]),
        leases: [{ number: 3, deliveries: 1, due: 77, length: 7 }],
        delayed: 2,
        ahead: 1,
      },
    },
  ]);
});
