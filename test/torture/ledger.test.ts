/** The checker notices what it is there for. */
import { describe, expect, test } from "bun:test";

import { flagsOf, makeBody } from "./body.ts";
import {
  bookOf,
  forgetDrop,
  type Ledger,
  newLedger,
  noteDrop,
  noteDropped,
  noteGone,
  noteRead,
  noteRefused,
  noteSet,
  noteStored,
  type Sent,
  tick,
} from "./ledger.ts";
import { takeStock } from "./stock.ts";
import type { Value } from "./wire.ts";

const QUEUE = "q";

function send(ledger: Ledger, producer = 1): Sent {
  const sequence = bookOf(ledger, QUEUE).messages.size + 1;
  return noteSet(ledger, { queue: QUEUE, producer, sequence }, 50).sent;
}

function store(ledger: Ledger, count: number): Sent[] {
  return Array.from({ length: count }, () => {
    const sent = send(ledger);
    noteStored(ledger, sent);
    return sent;
  });
}

function valueOf(sent: Sent): Value {
  return { key: QUEUE, flags: flagsOf(sent), body: makeBody(sent, sent.length), number: 0 };
}

function read(ledger: Ledger, sent: Sent, how: "take" | "open" = "take", askedAt = tick(ledger)) {
  return noteRead(ledger, QUEUE, valueOf(sent), how, askedAt);
}

/** What the ledger says when these messages are there after a restart. */
function faultsWith(ledger: Ledger, here: Sent[], sets = bookOf(ledger, QUEUE).messages.size) {
  const counters = new Map([[QUEUE, { sets, gets: sets - here.length }]]);
  takeStock(ledger, new Map([[QUEUE, here.map(valueOf)]]), counters);
  return ledger.faults.join("\n");
}

describe("what may be is no fault", () => {
  test("all that was stored is there, and what nobody read the answer of, or not", () => {
    for (const uncertain of [true, false]) {
      const ledger = newLedger();
      const stored = store(ledger, 3);
      const sent = send(ledger);
      expect(faultsWith(ledger, uncertain ? [...stored, sent] : stored, uncertain ? 4 : 3)).toBe(
        "",
      );
    }
  });

  test("what was taken is gone, and one message for each answer that nobody read", () => {
    const ledger = newLedger();
    const [one, two, three] = store(ledger, 3) as [Sent, Sent, Sent];
    read(ledger, one);
    bookOf(ledger, QUEUE).unread = 1;
    expect(two.goneAt).toBe(Infinity);
    expect(faultsWith(ledger, [three])).toBe("");
  });

  test("what was open is there again, though a younger one was taken", () => {
    const ledger = newLedger();
    const [one, two] = store(ledger, 2) as [Sent, Sent];
    read(ledger, one, "open");
    read(ledger, two);
    expect(faultsWith(ledger, [one])).toBe("");
  });

  test("a close without an answer leaves it open what became of the message", () => {
    for (const isHere of [true, false]) {
      const ledger = newLedger();
      const [one] = store(ledger, 1) as [Sent];
      read(ledger, one, "open");
      one.perhapsGone = true;
      expect(faultsWith(ledger, isHere ? [one] : [])).toBe("");
    }
  });

  test("a delete without an answer has happened or not", () => {
    for (const isHere of [true, false]) {
      const ledger = newLedger();
      const stored = store(ledger, 2);
      noteDrop(ledger, QUEUE, "delete");
      expect(faultsWith(ledger, isHere ? stored : [])).toBe("");
    }
  });

  test("a set whose sync failed has happened or not", () => {
    for (const isHere of [true, false]) {
      const ledger = newLedger();
      const sent = send(ledger);
      noteRefused(ledger, sent, "SERVER_ERROR disk I/O error, outcome unknown");
      expect(faultsWith(ledger, isHere ? [sent] : [], isHere ? 1 : 0)).toBe("");
    }
  });

  test("a second restart finds the same", () => {
    const ledger = newLedger();
    const stored = store(ledger, 3);
    faultsWith(ledger, stored);
    read(ledger, stored[0] as Sent);
    expect(faultsWith(ledger, stored.slice(1), 3)).toBe("");
  });
});

describe("a fault is seen:", () => {
  test("a stored message is missing", () => {
    const ledger = newLedger();
    const stored = store(ledger, 3);
    expect(faultsWith(ledger, stored.slice(0, 2))).toContain("1 messages of q lost");
  });

  test("a message that was open is missing", () => {
    const ledger = newLedger();
    const [one] = store(ledger, 1) as [Sent];
    read(ledger, one, "open");
    expect(faultsWith(ledger, [])).toContain("lost");
  });

  test("one more is missing than answers were not read", () => {
    const ledger = newLedger();
    store(ledger, 2);
    bookOf(ledger, QUEUE).unread = 1;
    expect(faultsWith(ledger, [])).toContain("2 messages of q lost, and 1 unread");
  });

  test("a message that was taken, or closed, is there again", () => {
    for (const how of ["take", "open"] as const) {
      const ledger = newLedger();
      const [one] = store(ledger, 1) as [Sent];
      read(ledger, one, how);
      noteGone(ledger, one);
      expect(faultsWith(ledger, [one])).toContain("came back");
    }
  });

  test("a message is taken twice, while the server runs", () => {
    const ledger = newLedger();
    const [one] = store(ledger, 1) as [Sent];
    const both = tick(ledger);
    read(ledger, one, "take", both);
    read(ledger, one, "take", both);
    expect(ledger.faults.join()).toContain("came back");
  });

  test("what was refused is there", () => {
    const ledger = newLedger();
    const sent = send(ledger);
    noteRefused(ledger, sent, "SERVER_ERROR database or disk is full");
    expect(faultsWith(ledger, [sent])).toContain("refused, and yet read");
  });

  test("what was refused has been read", () => {
    const ledger = newLedger();
    const sent = send(ledger);
    read(ledger, sent);
    noteRefused(ledger, sent, "SERVER_ERROR database or disk is full");
    expect(ledger.faults.join()).toContain("refused, and read before");
  });

  test("two messages changed places", () => {
    const ledger = newLedger();
    expect(faultsWith(ledger, store(ledger, 2).toReversed())).toContain("out of order");
  });

  test("two messages of different producers changed places", () => {
    const ledger = newLedger();
    const [one, two] = [send(ledger, 1), send(ledger, 2)];
    // Sent at the same time, they may come in either order.
    noteStored(ledger, one);
    noteStored(ledger, two);
    expect(faultsWith(ledger, [two, one])).toBe("");
    const later = [3, 4].map((producer) => {
      const sent = send(ledger, producer);
      noteStored(ledger, sent);
      return sent;
    });
    expect(faultsWith(ledger, [two, one, ...later.toReversed()], 4)).toContain("out of order");
  });

  test("a younger message was taken before", () => {
    const ledger = newLedger();
    const [one, two] = store(ledger, 2) as [Sent, Sent];
    read(ledger, two);
    expect(faultsWith(ledger, [one])).toContain("overtaken: q 1.1");
  });

  test("a younger message was taken before, and the older one afterwards", () => {
    const ledger = newLedger();
    const [one, two] = store(ledger, 2) as [Sent, Sent];
    read(ledger, two);
    read(ledger, one);
    expect(faultsWith(ledger, [])).toContain("overtaken: q 1.1");
  });

  test("a message is there after a delete or a flush", () => {
    for (const kind of ["delete", "flush"] as const) {
      const ledger = newLedger();
      const [one] = store(ledger, 1) as [Sent];
      noteDropped(ledger, QUEUE, noteDrop(ledger, QUEUE, kind));
      expect(faultsWith(ledger, [one])).toContain("after a delete or flush");
    }
  });

  test("a message that came after a delete, or before one that was refused, is missing", () => {
    const ledger = newLedger();
    noteDropped(ledger, QUEUE, noteDrop(ledger, QUEUE, "delete"));
    store(ledger, 1);
    forgetDrop(ledger, QUEUE, noteDrop(ledger, QUEUE, "delete"));
    expect(faultsWith(ledger, [])).toContain("1 messages of q lost");
  });

  test("a body, flags or a queue are not those that were sent", () => {
    const changes: [change: (value: Value) => Value, queue: string, says: string][] = [
      [({ body, ...rest }) => ({ ...rest, body: body.fill("x", 40, 41) }), QUEUE, "damaged"],
      [({ body, ...rest }) => ({ ...rest, body: body.subarray(0, 49) }), QUEUE, "49 bytes"],
      [(value) => ({ ...value, flags: value.flags ^ 1 }), QUEUE, "wrong flags"],
      [(value) => value, "other", "nobody sent it"],
    ];
    for (const [change, queue, says] of changes) {
      const ledger = newLedger();
      const [one] = store(ledger, 1) as [Sent];
      noteRead(ledger, queue, change(valueOf(one)), "take", tick(ledger));
      expect(ledger.faults.join()).toContain(says);
    }
  });

  test("the counters are wrong", () => {
    const ledger = newLedger();
    const stored = store(ledger, 3);
    expect(faultsWith(ledger, stored, 4)).toContain("4 sets, and there were 3 to 3");
    const other = newLedger();
    const counters = new Map([[QUEUE, { sets: 3, gets: 1 }]]);
    takeStock(other, new Map([[QUEUE, store(other, 3).map(valueOf)]]), counters);
    expect(other.faults.join()).toContain("counts 3/1, and has 3");
  });

  test("a queue is gone", () => {
    const ledger = newLedger();
    read(ledger, store(ledger, 1)[0] as Sent);
    takeStock(ledger, new Map(), new Map());
    expect(ledger.faults.join()).toContain("the queue q is gone");
  });
});
