/** Who gives way, and who goes on, where much is held: connections are looked at for their shares alone. */
import { describe, expect, test } from "bun:test";

import type { Connection } from "../../src/net/connection.ts";
import {
  type Direction,
  type Load,
  newLoad,
  newShare,
  relieve,
  setInput,
  setOutput,
} from "../../src/net/load.ts";

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
