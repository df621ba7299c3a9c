/** Which clients are evicted, and which go on, where many bytes are buffered: clients are looked at for their shares alone. */
import { describe, expect, test } from "bun:test";

import {
  type BufferUsage,
  type Client,
  type Direction,
  evictStalledClients,
  isInputFull,
  newBufferUsage,
  newShare,
  nextToAdmit,
  noteMoved,
  setInput,
  setOutput,
} from "../../src/net/backpressure.ts";

const KB = 1024;
const MB = 1024 * KB;
const LONG = 60_000;
/** Milliseconds on the clock of each test when its clients are looked at. */
const NOW = 1_000_000;

/** A client that has so many bytes unsent, or not arrived whole, and has not moved for so many milliseconds. */
function client(
  usage: BufferUsage,
  parts: { out?: number; in?: number; still?: number } = {},
): Client {
  const one = { incoming: newShare(), outgoing: newShare() };
  const since = NOW - (parts.still ?? 0);
  setOutput(usage, one.outgoing, parts.out ?? 0, since);
  setInput(usage, one.incoming, parts.in ?? 0, since);
  return one;
}

/** The clients that are evicted, in this order. */
function evicted(
  usage: BufferUsage,
  clients: Client[],
  now = NOW,
  busy: readonly Client[] = [],
): Client[] {
  const gone: Client[] = [];
  evictStalledClients(usage, clients, {
    now,
    isServersTurn: (one) => busy.includes(one),
    evict(one: Client, which: Direction) {
      gone.push(one);
      if (which === "outgoing") setOutput(usage, one.outgoing, 0, now);
      else setInput(usage, one.incoming, 0, now);
    },
  });
  return gone;
}

/** A client waits for room for its reply. */
function crowded(): BufferUsage {
  const usage = newBufferUsage();
  usage.awaiting.add(client(usage));
  return usage;
}

describe("where there is no room for replies", () => {
  test("large clients that have stalled are evicted, the longest first, until half is free", () => {
    const usage = crowded();
    const late = client(usage, { out: 10 * MB, still: LONG });
    const early = client(usage, { out: 10 * MB, still: 2 * LONG });
    const moving = client(usage, { out: 10 * MB });
    const small = client(usage, { out: 10 * KB, still: 3 * LONG });
    expect(evicted(usage, [late, early, moving, small])).toEqual([early, late]);
    expect(usage.output).toBe(10 * MB + 10 * KB);
  });

  test("small ones are evicted when that is not enough", () => {
    const usage = crowded();
    const large = client(usage, { out: MB, still: LONG });
    const small = Array.from({ length: 2000 }, () => client(usage, { out: 16 * KB, still: LONG }));
    const moving = client(usage, { out: 16 * KB });
    const gone = evicted(usage, [moving, ...small, large]);
    expect(gone[0]).toBe(large);
    expect(gone).not.toContain(moving);
    expect(usage.output).toBeLessThanOrEqual(16 * MB);
    expect(usage.output).toBeGreaterThan(16 * MB - 16 * KB);
  });

  test("none is evicted when no client waits for room", () => {
    const usage = newBufferUsage();
    expect(evicted(usage, [client(usage, { out: 100 * MB, still: LONG })])).toEqual([]);
  });
});

describe("a client has stalled", () => {
  test("when it has not moved by 64 KB in more than five seconds", () => {
    const usage = crowded();
    const one = client(usage, { out: 40 * MB });
    expect(evicted(usage, [one], NOW + 5000)).toEqual([]);
    noteMoved(one.outgoing, 64 * KB - 1, NOW + 5000);
    expect(evicted(usage, [one], NOW + 5001)).toEqual([one]);
  });

  test("not when its small steps come to 64 KB meanwhile", () => {
    const usage = crowded();
    const one = client(usage, { out: 40 * MB });
    for (let n = 1; n <= 64; n++) noteMoved(one.outgoing, KB, NOW + n * 70);
    expect(evicted(usage, [one], NOW + 64 * 70 + 5000)).toEqual([]);
    expect(evicted(usage, [one], NOW + 64 * 70 + 5001)).toEqual([one]);
  });

  test("counted from when its first byte was left, however long it was silent before", () => {
    const usage = crowded();
    const one = client(usage, { still: LONG });
    setOutput(usage, one.outgoing, 40 * MB, NOW);
    setOutput(usage, one.outgoing, 50 * MB, NOW + 4000);
    expect(evicted(usage, [one], NOW + 5000)).toEqual([]);
    expect(evicted(usage, [one], NOW + 5001)).toEqual([one]);
  });
});

describe("clients that wait for room", () => {
  test("go on from both ends, by turns", () => {
    const usage = newBufferUsage();
    const all = Array.from({ length: 7 }, () => client(usage));
    for (const one of all) usage.awaiting.add(one);
    const order: number[] = [];
    for (let next = nextToAdmit(usage); next !== undefined; next = nextToAdmit(usage)) {
      usage.awaiting.delete(next);
      order.push(all.indexOf(next));
    }
    expect(order).toEqual([0, 6, 1, 5, 2, 4, 3]);
  });

  test("do not go on before they have taken what they were sent, nor keep others from it", () => {
    const usage = newBufferUsage();
    const [first, second, third] = [{ out: 10 }, {}, { out: 10 }].map((parts) =>
      client(usage, parts),
    ) as [Client, Client, Client];
    for (const one of [first, second, third]) usage.awaiting.add(one);
    expect(nextToAdmit(usage)).toBe(second);
    expect(nextToAdmit(usage)).toBe(second);
    usage.awaiting.delete(second);
    expect(nextToAdmit(usage)).toBeUndefined();
    setOutput(usage, first.outgoing, 0, NOW);
    expect(nextToAdmit(usage)).toBe(first);
  });

  test("do not go on while half of it is taken", () => {
    const usage = crowded();
    const other = client(usage, { out: 17 * MB });
    expect(nextToAdmit(usage)).toBeUndefined();
    setOutput(usage, other.outgoing, 16 * MB, NOW);
    expect(nextToAdmit(usage)).toBeDefined();
  });

  test("do not go on while another one that went on has no reply yet", () => {
    const usage = crowded();
    const [first] = usage.awaiting;
    usage.awaiting.add(client(usage));
    usage.admitted = first;
    expect(nextToAdmit(usage)).toBeUndefined();
    usage.admitted = undefined;
    expect(nextToAdmit(usage)).toBe(first);
  });
});

describe("where there is no room for requests", () => {
  test("a client that waits for room, or takes its replies, is not evicted", () => {
    const usage = newBufferUsage();
    usage.refused = true;
    const stalled = client(usage, { in: 20 * MB, still: LONG });
    const blocked = client(usage, { in: 20 * MB, still: LONG });
    usage.awaiting.add(blocked);
    const served = client(usage, { in: 20 * MB, out: MB, still: LONG });
    noteMoved(served.outgoing, MB, NOW);
    expect(evicted(usage, [blocked, served, stalled])).toEqual([stalled]);
    expect(usage.refused).toBe(false);
  });

  test("none whose requests wait for the server", () => {
    const usage = newBufferUsage();
    usage.refused = true;
    const [slow, waiting] = [1, 2].map(() => client(usage, { in: 100 * MB, still: LONG }));
    const clients = [slow, waiting] as Client[];
    expect(evicted(usage, clients, NOW, [waiting as Client])).toEqual([slow as Client]);
  });

  test("none for a while after the server was kept from its work", () => {
    const usage = newBufferUsage();
    const still = client(usage, { in: 100 * MB, still: LONG });
    expect(evicted(usage, [], NOW - 20_000)).toEqual([]);
    for (const now of [NOW, NOW + 1000, NOW + 4000]) {
      usage.refused = true;
      expect(evicted(usage, [still], now)).toEqual([]);
    }
    expect(evicted(usage, [still], NOW + 5000)).toEqual([still]);
  });

  test("none is evicted before a client was refused", () => {
    const usage = newBufferUsage();
    expect(evicted(usage, [client(usage, { in: 100 * MB, still: LONG })])).toEqual([]);
  });

  test("a client that stalls long after another one was refused is evicted, too", () => {
    const usage = newBufferUsage();
    const slow = client(usage, { in: 100 * MB, still: 1 });
    usage.refused = true;
    expect(evicted(usage, [slow])).toEqual([]);
    expect(evicted(usage, [slow], NOW + 2000)).toEqual([]);
    expect(evicted(usage, [slow], NOW + 4000)).toEqual([]);
    expect(evicted(usage, [slow], NOW + 6000)).toEqual([slow]);
    expect(evicted(usage, [client(usage, { in: MB, still: LONG })], NOW + 8000)).toEqual([]);
  });
});

test("input and output are full above their bounds, over all clients", () => {
  const usage = newBufferUsage();
  const [one, other] = [client(usage), client(usage)];
  setInput(usage, one.incoming, 40 * MB, NOW);
  setInput(usage, other.incoming, 26 * MB, NOW);
  expect([2 * MB, 2 * MB - 1].map((body) => isInputFull(usage, 20 * KB, body))).toEqual([
    false,
    true,
  ]);
  // The beginning of a request never is.
  expect([16, 1].map((size) => isInputFull(usage, size * KB, 0))).toEqual([true, false]);
  setInput(usage, other.incoming, 41 * MB, NOW);
  expect([16, 1].map((size) => isInputFull(usage, size * KB, 0))).toEqual([true, false]);
  setInput(usage, other.incoming, 0, NOW);
  expect(isInputFull(usage, 20 * KB, 0)).toBe(false);
  setOutput(usage, one.outgoing, 20 * MB, NOW);
  setOutput(usage, other.outgoing, 12 * MB, NOW);
  expect(usage.outputFull).toBe(false);
  setOutput(usage, other.outgoing, 12 * MB + 1, NOW);
  expect([usage.outputFull, usage.output]).toEqual([true, 32 * MB + 1]);
});
