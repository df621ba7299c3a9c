/** The view `message` shows people with an SQLite shell what is in the queues. */
import { expect, test } from "bun:test";

import { newRandom, seeds } from "../protocol/random.ts";
import {
  commit,
  connect,
  maintainAll,
  make,
  messages,
  newHome,
  numberedBodies,
  open,
  position,
  put,
  rows,
  segment,
  type Sent,
  sent,
  suite,
  take,
} from "./scratch.ts";

suite();

interface Row {
  queue: string;
  number: number;
  flags: number;
  arrived: string;
  body: Uint8Array;
  type: string;
}

/** The columns of the view that are seldom set. */
interface Shown {
  number: number;
  state: string;
  deliveries: number;
  due: string | null;
  lease: number | null;
  expires: string | null;
  origin: string | null;
  origin_number: number | null;
  reason: string | null;
}

function shown(directory: string, where = "true"): Row[] {
  const query = `SELECT *, typeof(body) AS type FROM message WHERE ${where} ORDER BY queue, number`;
  return rows<Row>(directory, query);
}

function plain({ queue, number, flags, body, type }: Row) {
  return { queue, number, flags, body: Buffer.from(body).toString("latin1"), type };
}

function expected(queue: string, number: number, { flags, body }: Sent) {
  return { queue, number, flags, body: body.toString("latin1"), type: "blob" };
}

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

test("every message, one a row: number, flags, body", () => {
  const directory = newHome();
  const store = open(directory);
  const groups: Sent[][] = [
    [sent("alone", 5)],
    [sent("first", 1), sent("second", 2), sent("third", 3)],
    [sent("")],
    [sent("", 4_294_967_295), sent(""), sent(everyByte, 2 ** 31)],
    [sent(everyByte, 4_294_967_295)],
    [sent(Buffer.alloc(70_000, everyByte), 0x01020304), sent(Buffer.alloc(8, 255), 0xfffefdfc)],
    [sent(Buffer.alloc(300_000, everyByte), 7)],
  ];
  for (const name of ["a", "b"]) put(store, make(store, name), 1, ...groups);
  const found = shown(directory).map(plain);
  const all = groups.flat();
  expect(found.length).toBe(2 * all.length);
  expect(found).toEqual(
    ["a", "b"].flatMap((queue) => all.map((message, n) => expected(queue, n + 1, message))),
  );
});

test("no message that was taken, but those held back", () => {
  const directory = newHome();
  const store = open(directory);
  const queue = make(store, "q");
  const groups = [numberedBodies("m", 4), [sent("m5")], numberedBodies("m", 3, 6), [sent("m9")]];
  const tail = put(store, queue, 1, ...groups);
  const numbers = () => shown(directory).map(({ number }) => number);
  for (let head = 1; head <= tail; head++) {
    take(store, queue, head, tail);
    expect(numbers()).toEqual(Array.from({ length: tail - head }, (_, n) => head + n));
  }
  commit(store, { positions: [position(queue, 9, tail)], held: messages(queue, 2, 5, 7) });
  expect(
    shown(directory).map(({ number, body }) => [number, Buffer.from(body).toString()]),
  ).toEqual([
    [2, "m2"],
    [5, "m5"],
    [7, "m7"],
    [9, "m9"],
  ]);
});

test("what is kept of a message beside its body", () => {
  const directory = newHome();
  const store = open(directory);
  const queue = make(store, "q");
  put(store, queue, 1, numberedBodies("m", 4), [sent("m5")]);
  commit(store, { positions: [position(queue, 5, 6)], held: messages(queue, 1) });
  const key = (number: number) => `(${queue} << 43) + ${number}`;
  const shell = connect(directory);
  shell.run(`INSERT INTO held VALUES (${key(2)}, 1, 3, 1700000000000, 30000)`);
  shell.run(`INSERT INTO delayed VALUES (${key(3)}, 4000000000000, 0)`);
  shell.run(`INSERT INTO delayed VALUES (${key(4)}, 4000000000000, 2)`);
  shell.run(`INSERT INTO delayed VALUES (${key(5)}, 1700000060000, 2)`);
  shell.run(`INSERT INTO moved VALUES (${key(3)}, CAST('jobs' AS BLOB), 77, 'deliveries')`);
  shell.run(`INSERT INTO expiry VALUES (${key(1)}, 1800000000000), (${key(5)}, 0)`);
  shell.close();
  const shownOf = ({
    number,
    state,
    deliveries,
    due,
    lease,
    expires,
    origin,
    origin_number,
    reason,
  }: Shown) =>
    [number, state, deliveries, due, lease, expires, origin, origin_number, reason].join(" ");
  const found = rows<Shown>(directory, "SELECT * FROM message ORDER BY number").map(shownOf);
  expect(found).toEqual([
    "1 held 0   2027-01-15 08:00:00   ",
    "2 leased 3 2023-11-14 22:13:20 30000 2027-01-15 08:00:00   ",
    "3 delayed 0 2096-10-02 07:06:40  2027-01-15 08:00:00 jobs 77 deliveries",
    "4 retry 2 2096-10-02 07:06:40  2027-01-15 08:00:00   ",
    "5 due 2 2023-11-14 22:14:20     ",
  ]);
  put(store, queue, 6, [sent("m6")]);
  commit(store, { positions: [position(queue, 5, 7)] });
  const stateOf = (paused: number | undefined) => {
    commit(store, { paused: [{ queue, until: paused }] });
    return rows<Shown>(directory, "SELECT * FROM message WHERE number = 6").map(
      ({ state }) => state,
    );
  };
  expect([0, 4000000000000, 1700000000000, undefined].map(stateOf)).toEqual([
    ["paused"],
    ["paused"],
    ["ready"],
    ["ready"],
  ]);
  // All of it goes with the queue.
  commit(store, { dropped: [queue] });
  maintainAll(store);
  for (const table of ["segment", "held", "delayed", "moved", "expiry", "dropped"]) {
    expect(rows(directory, `SELECT * FROM ${table}`)).toEqual([]);
  }
});

test("no message of a queue that was dropped", () => {
  const directory = newHome();
  const store = open(directory);
  const queue = make(store, "q");
  put(store, queue, 1, numberedBodies("m", 10), [sent("m11")]);
  commit(store, { dropped: [queue] });
  expect(shown(directory)).toEqual([]);
});

test("thousands in one segment", () => {
  const directory = newHome();
  const store = open(directory);
  const messages = numberedBodies("message ", 5000);
  put(store, make(store, "q"), 1, messages);
  const found = shown(directory).map(plain);
  expect(found).toEqual(messages.map((message, n) => expected("q", n + 1, message)));
});

test("large numbers", () => {
  const directory = newHome();
  const store = open(directory);
  const queue = make(store, "q");
  const first = 2 ** 43 - 5;
  commit(store, {
    segments: [
      segment(queue, first, numberedBodies("m", 2)),
      segment(queue, first + 2, [sent("m3")]),
    ],
    positions: [position(queue, first, first + 3)],
  });
  expect(shown(directory).map(({ number }) => number)).toEqual([first, first + 1, first + 2]);
});

test("when it arrived, in UTC", () => {
  const directory = newHome();
  const store = open(directory);
  const second = () => Math.floor(Date.now() / 1000) * 1000;
  const before = second();
  put(store, make(store, "q"), 1, numberedBodies("m", 2), [sent("m3")]);
  const after = second();
  for (const { arrived } of shown(directory)) {
    expect(arrived).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    expect(Date.parse(`${arrived.replace(" ", "T")}Z`)).toBeWithin(before, after + 1);
  }
});

test("a name is text, to be asked for", () => {
  const directory = newHome();
  const store = open(directory);
  // A client that sends UTF-8; a name has a character for each byte of it.
  const name = Buffer.from("Aufträge").toString("latin1");
  put(store, make(store, name), 1, [sent("a")]);
  put(store, make(store, "other"), 1, [sent("b")]);
  expect(
    shown(directory, "queue = 'Aufträge'").map(({ body }) => String.fromCharCode(...body)),
  ).toEqual(["a"]);
});

test.each(seeds)("whatever is in the queues, seed %d", (seed) => {
  const random = newRandom(seed);
  const directory = newHome();
  const store = open(directory);
  const all = ["a", "b", "c"].flatMap((name) => {
    const queue = make(store, name);
    const messages: Sent[] = [];
    const segments = Array.from({ length: random.between(1, 40) }, () => {
      const first = messages.length + 1;
      const more = Array.from({ length: random.pick([1, 1, 2, 30]) }, () => ({
        flags: random.below(2 ** 32),
        body: random.bytes(random.pick([0, 1, 7, 8, 9, random.below(2000)])),
      }));
      messages.push(...more);
      return segment(queue, first, more);
    });
    const head = random.between(1, messages.length + 1);
    commit(store, { segments, positions: [position(queue, head, messages.length + 1)] });
    return messages.map((one, n) => expected(name, n + 1, one)).slice(head - 1);
  });
  expect(shown(directory).map(plain)).toEqual(all);
});
