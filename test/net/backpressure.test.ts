/** Who gives way, and who goes on, where much is held: connections are looked at for their shares alone. */
import { describe, expect, test } from "bun:test";

import {
  type Direction,
  type Load,
  newLoad,
  newShare,
  nextWaiting,
  relieve,
  setInput,
  setOutput,
} from "../../src/net/backpressure.ts";
import type { Connection } from "../../src/net/connection.ts";

const KB = 1024;
const MB = 1024 * KB;
const LONG = 60_000;

/** A connection that has so many bytes unsent, or not arrived whole, and has not moved for so long. */
function holder(load: Load, parts: { out?: number; in?: number; still?: number }): Connection {
  const connection = { incoming: newShare(), outgoing: newShare() } as Connection;
  setOutput(load, connection.outgoing, parts.out ?? 0);
  setInput(load, connection.incoming, parts.in ?? 0);
  connection.outgoing.since -= parts.still ?? 0;
  connection.incoming.since -= parts.still ?? 0;
  return connection;
}

/** Who is let go of, in this order. */
function relieved(load: Load, connections: Connection[]): Connection[] {
  const gone: Connection[] = [];
  relieve(load, connections, (connection: Connection, which: Direction) => {
    gone.push(connection);
    if (which === "outgoing") setOutput(load, connection.outgoing, 0);
    else setInput(load, connection.incoming, 0);
  });
  return gone;
}

describe("where there is no room for answers", () => {
  function crowded() {
    const load = newLoad();
    load.waiting.add(holder(load, {}));
    return load;
  }

  test("the large ones that have stalled give way, the longest first, until half is free", () => {
    const load = crowded();
    const late = holder(load, { out: 10 * MB, still: LONG });
    const early = holder(load, { out: 10 * MB, still: 2 * LONG });
    const moving = holder(load, { out: 10 * MB });
    const small = holder(load, { out: 10 * KB, still: 3 * LONG });
    expect(relieved(load, [late, early, moving, small])).toEqual([early, late]);
    expect(load.output).toBe(10 * MB + 10 * KB);
  });

  test("small ones give way when that is not enough", () => {
    const load = crowded();
    const large = holder(load, { out: MB, still: LONG });
    const small = Array.from({ length: 2000 }, () => holder(load, { out: 16 * KB, still: LONG }));
    const moving = holder(load, { out: 16 * KB });
    const gone = relieved(load, [moving, ...small, large]);
    expect(gone[0]).toBe(large);
    expect(gone).not.toContain(moving);
    expect(load.output).toBeLessThanOrEqual(16 * MB);
    expect(load.output).toBeGreaterThan(16 * MB - 16 * KB);
  });

  test("nobody gives way when nobody waits", () => {
    const load = newLoad();
    expect(relieved(load, [holder(load, { out: 100 * MB, still: LONG })])).toEqual([]);
  });
});

describe("those who wait for room", () => {
  test("go on from both ends, by turns", () => {
    const load = newLoad();
    const all = Array.from({ length: 7 }, () => holder(load, {}));
    for (const connection of all) load.waiting.add(connection);
    const order: number[] = [];
    for (;;) {
      const next = nextWaiting(load);
      if (next === undefined) break;
      load.waiting.delete(next);
      order.push(all.indexOf(next));
    }
    expect(order).toEqual([0, 6, 1, 5, 2, 4, 3]);
  });

  test("do not go on before they have taken what they were sent, nor keep others from it", () => {
    const load = newLoad();
    const [first, second, third] = [{ out: 10 }, {}, { out: 10 }].map((parts) =>
      holder(load, parts),
    ) as [Connection, Connection, Connection];
    for (const connection of [first, second, third]) load.waiting.add(connection);
    expect(nextWaiting(load)).toBe(second);
    expect(nextWaiting(load)).toBe(second);
    load.waiting.delete(second);
    expect(nextWaiting(load)).toBeUndefined();
    setOutput(load, first.outgoing, 0);
    expect(nextWaiting(load)).toBe(first);
  });

  test("do not go on while half of it is taken", () => {
    const load = newLoad();
    load.waiting.add(holder(load, {}));
    const other = holder(load, { out: 17 * MB });
    expect(nextWaiting(load)).toBeUndefined();
    setOutput(load, other.outgoing, 16 * MB);
    expect(nextWaiting(load)).toBeDefined();
  });
});

describe("where there is no room for requests", () => {
  test("who waits for room, or takes its answers, does not give way", () => {
    const load = newLoad();
    load.refused = true;
    const stalled = holder(load, { in: 20 * MB, still: LONG });
    const blocked = holder(load, { in: 20 * MB, still: LONG });
    load.waiting.add(blocked);
    const served = holder(load, { in: 20 * MB, out: MB, still: LONG });
    served.outgoing.since += LONG;
    expect(relieved(load, [blocked, served, stalled])).toEqual([stalled]);
  });
});
