/** Sessions that wait for messages: in which order they are served, and how a wait ends. */
import { beforeEach, describe, expect, test } from "bun:test";

import { countWaiters } from "../../src/engine/waiters.ts";
import { StoreError } from "../../src/store/store.ts";
import { suite } from "../store/scratch.ts";
import {
  advance,
  bodiesIn,
  type Client,
  disconnect,
  end,
  newClient,
  newRig,
  put,
  type Rig,
  send,
  settle,
} from "./rig.ts";

suite();

let rig: Rig;
let producer: Client;
beforeEach(() => {
  rig = newRig();
  producer = newClient(rig);
});

/** A client that waits for a message of `q`. */
function waiting(options = "t=1000"): Client {
  const client = newClient(rig);
  send(client, `get q/${options}`);
  settle(rig);
  expect(client.received()).toBe("");
  return client;
}

/** The bodies that the clients were sent since the last look. */
function got(...clients: Client[]): string[][] {
  return clients.map((client) => bodiesIn(client.received()));
}

function countOf(queue: string): number {
  return countWaiters(rig.engine, queue);
}

describe("messages that come", () => {
  test("go to the sessions in the order in which they began to wait, one to each", () => {
    const [a, b, c] = [waiting(), waiting(), waiting()];
    expect(countOf("q")).toBe(3);
    put(producer, "q", "1");
    put(producer, "q", "2");
    settle(rig);
    expect(got(a, b, c)).toEqual([["1"], ["2"], []]);
    expect(producer.received()).toBe("STORED\r\nSTORED\r\n");
    expect(countOf("q")).toBe(1);
    put(producer, "q", "3");
    put(producer, "q", "4");
    settle(rig);
    expect(got(a, b, c)).toEqual([[], [], ["3"]]);
    expect([countOf("q"), rig.timers.size]).toEqual([0, 0]);
    expect(rig.backend.summary("q")).toMatchObject({ messages: 1, gets: 3 });
  });

  test("behind a resume serve the session that has waited longest, not one behind it", () => {
    put(producer, "q", "1");
    send(producer, "get q/open", "pause q 0");
    settle(rig);
    const [a, b] = [waiting(), waiting()];
    producer.received();
    // While the queue is paused its first message brings the first session nothing.
    put(producer, "q", "2");
    send(producer, "resume q", "get q/abort");
    settle(rig);
    expect(got(a, b)).toEqual([["1"], ["2"]]);
    expect(countOf("q")).toBe(0);
  });

  test("behind a set that is not stored serve the session that has waited longest", () => {
    send(producer, "set q/id=x 0 0 1", "1", "get q");
    settle(rig);
    // A repeat, and an abort of nothing, bring no message.
    for (const lines of [["set q/id=x 0 0 1", "1"], ["get q/abort"]]) {
      const [a, b] = [waiting(), waiting()];
      send(producer, ...lines);
      put(producer, "q", "2");
      settle(rig);
      expect(got(a, b)).toEqual([["2"], []]);
      put(producer, "q", "3");
      settle(rig);
      expect(got(a, b)).toEqual([[], ["3"]]);
    }
  });

  test("while a long group is executed in parts serve the session that has waited longest", () => {
    const [a, b] = [waiting(), waiting()];
    const other = newClient(rig);
    // Each look at the clock takes longer than a part may.
    rig.engine.runtime.monotonic = () => (rig.now += 5);
    for (let n = 0; n < 40; n++) put(producer, "x", "1");
    send(producer, "get q/abort");
    // The first part is executed, and the offer to the first session is in what is left.
    for (let n = 0; n < 10 && rig.engine.closed.done === 0; n++) {
      for (const work of rig.soon.splice(0)) work();
    }
    expect(rig.engine.closed.done).toBeGreaterThan(0);
    expect(rig.engine.closed.done).toBeLessThan(rig.engine.closed.count);
    put(other, "q", "1");
    settle(rig);
    expect(got(a, b)).toEqual([["1"], []]);
    put(other, "q", "2");
    settle(rig);
    expect(got(a, b)).toEqual([[], ["2"]]);
  });

  test("of one of several queues serve the session that has waited longest for it", () => {
    const [a, b] = [newClient(rig), waiting()];
    disconnect(b);
    send(a, "get r/t=1000 q/t=1000");
    settle(rig);
    const c = waiting();
    // The abort is offered to the first of them, for r.
    send(producer, "get r/abort");
    put(producer, "q", "1");
    settle(rig);
    expect(got(a, c)).toEqual([["1"], []]);
    put(producer, "q", "2");
    settle(rig);
    expect(got(a, c)).toEqual([[], ["2"]]);
  });

  test("serve a session as it asked, whatever others asked for before", () => {
    send(producer, "set q/delay=100000 0 0 1", "1", "get q/lease=100000");
    put(producer, "q", "2");
    settle(rig);
    for (let n = 0; n < 4; n++) {
      send(
        producer,
        ...Array<string>(10).fill("get x/open/early"),
        ...Array<string>(10).fill("get x/peek/leased"),
      );
      settle(rig);
    }
    producer.received();
    send(producer, "get q");
    settle(rig);
    expect(got(producer)).toEqual([["2"]]);
    for (const options of ["open/t=1000", "peek/t=1000"]) {
      const a = waiting(options);
      put(producer, "q", options);
      settle(rig);
      expect(got(a)).toEqual([[options]]);
      disconnect(a);
      send(producer, "get q");
      settle(rig);
    }
  });

  test("of another queue serve no session", () => {
    const a = waiting();
    put(producer, "r", "1");
    settle(rig);
    expect([got(a), countOf("q"), rig.engine.waiters.has("r")]).toEqual([[[]], 1, false]);
  });

  test("in one group with the get that finds none, right behind it", () => {
    const a = newClient(rig);
    send(a, "get q/t=1000");
    put(producer, "q", "1");
    settle(rig);
    expect([got(a), countOf("q")]).toEqual([[["1"]], 0]);
  });

  test("more than there are sessions stay, and are taken by the next get at once", () => {
    const a = waiting();
    for (const body of ["1", "2", "3"]) put(producer, "q", body);
    settle(rig);
    send(a, "get q/t=1000");
    settle(rig);
    expect(bodiesIn(a.received())).toEqual(["1", "2"]);
  });

  test("are taken by a get of the same group before, and not by the session that waits", () => {
    const [a, thief] = [waiting(), newClient(rig)];
    put(producer, "q", "1");
    send(thief, "get q");
    settle(rig);
    expect(got(a, thief)).toEqual([["1"], ["END"]]);
    const b = waiting();
    send(thief, "get q");
    put(producer, "q", "2");
    settle(rig);
    expect(got(b, thief)).toEqual([["2"], ["END"]]);
  });

  test("back from an abort, a lost connection, or an undelivered reply serve a session, too", () => {
    const [holder, leaver, deaf] = [newClient(rig), newClient(rig), newClient(rig)];
    for (const body of ["1", "2", "3"]) put(producer, "q", body);
    send(holder, "get q/open");
    settle(rig);
    send(leaver, "get q/open");
    settle(rig);
    const [a, b, c] = [newClient(rig), newClient(rig), newClient(rig)];
    deaf.isDeaf = true;
    send(deaf, "get q");
    for (const each of [a, b, c]) send(each, "get q/t=1000");
    settle(rig);
    expect(got(a, b, c)).toEqual([["3"], [], []]);
    send(holder, "get q/abort");
    settle(rig);
    expect(got(a, b, c)).toEqual([[], ["1"], []]);
    disconnect(leaver);
    settle(rig);
    expect(got(a, b, c)).toEqual([[], [], ["2"]]);
  });

  test("that are set in a group which fails serve no session: it is told so, once", () => {
    const a = waiting();
    const { commit } = rig.store;
    rig.store.commit = () => {
      throw new StoreError("no");
    };
    put(producer, "q", "1");
    settle(rig);
    rig.store.commit = commit;
    expect(producer.received()).toBe("SERVER_ERROR no\r\n");
    expect([a.received(), countOf("q")]).toEqual(["SERVER_ERROR no\r\n", 0]);
    send(a, "version");
    settle(rig);
    expect(a.received()).toBe("VERSION 1\r\n");
  });
});

describe("a session that peeks", () => {
  test("leaves the message to the next, up to one that takes it", () => {
    const [a, b] = [waiting("peek/t=1000"), waiting("peek/t=1000")];
    const [c, d] = [waiting("open/t=1000"), waiting("peek/t=1000")];
    put(producer, "q", "1");
    settle(rig);
    expect(got(a, b, c, d)).toEqual([["1"], ["1"], ["1"], []]);
    expect(countOf("q")).toBe(1);
  });

  test("is served by a message that another one does not take", () => {
    const [a, b] = [waiting("peek/t=1000"), waiting("peek/t=1000")];
    put(producer, "q", "1");
    settle(rig);
    expect([got(a, b), countOf("q")]).toEqual([[["1"], ["1"]], 0]);
    expect(rig.backend.summary("q")).toMatchObject({ messages: 1 });
  });
});

describe("a wait that is over", () => {
  test("is told that there is no message, and the session goes on", () => {
    const [patient, a] = [waiting("t=5000"), waiting("t=30")];
    send(a, "version");
    advance(rig, 29);
    settle(rig);
    expect(a.received()).toBe("");
    advance(rig, 1);
    settle(rig);
    expect(a.received()).toBe("END\r\nVERSION 1\r\n");
    expect([countOf("q"), rig.timers.size]).toEqual([1, 1]);
    put(producer, "q", "1");
    settle(rig);
    expect(got(patient, a)).toEqual([["1"], []]);
  });

  test("while a message is offered to it brings the message", () => {
    const a = waiting("t=30");
    put(producer, "q", "1");
    advance(rig, 30);
    settle(rig);
    expect([got(a), countOf("q")]).toEqual([[["1"]], 0]);
    send(a, "version");
    settle(rig);
    expect(a.received()).toBe("VERSION 1\r\n");
  });

  test("while an offer is on its way that comes to nothing is told so, once", () => {
    const a = waiting("t=30");
    put(producer, "q", "1");
    send(producer, "delete q");
    const b = newClient(rig);
    send(b, "get r/t=1000");
    settle(rig);
    expect(got(a)).toEqual([["1"]]);
    send(a, "get q/t=30");
    settle(rig);
    rig.engine.ready.set("q", 1);
    rig.engine.requestTurn();
    rig.soon.splice(0)[0]?.();
    advance(rig, 30);
    settle(rig);
    expect([a.received(), countOf("q")]).toEqual(["END\r\n", 0]);
  });

  test("because the client sends no more is told at once, and the session ends", () => {
    const a = waiting();
    end(a);
    settle(rig);
    expect([a.received(), a.ended, countOf("q")]).toEqual(["END\r\n", true, 0]);
  });

  test("the longest time that a client may ask for does not end at once", () => {
    const a = waiting(`t=${2 ** 31 - 1}`);
    advance(rig, 1_000_000);
    settle(rig);
    expect([a.received(), countOf("q")]).toEqual(["", 1]);
  });
});

describe("a client that goes away while it waits", () => {
  test("leaves nothing behind, and changes nothing for the others", () => {
    const [a, b, c] = [waiting(), waiting(), waiting()];
    disconnect(b);
    disconnect(b);
    for (const body of ["1", "2"]) put(producer, "q", body);
    settle(rig);
    expect([got(a, b, c), countOf("q"), rig.timers.size]).toEqual([[["1"], [], ["2"]], 0, 0]);
  });

  test.each(["t=1000", "open/t=1000", "peek/t=1000"])(
    "%s: what is offered to it goes to the next",
    (how) => {
      const [a, b] = [waiting(how), waiting()];
      put(producer, "q", "1");
      disconnect(a);
      settle(rig);
      expect([got(a, b), countOf("q")]).toEqual([[[], ["1"]], 0]);
      expect(rig.backend.summary("q")).toMatchObject({ messages: 0, open: 0 });
    },
  );
});

describe("an offer that comes to nothing", () => {
  test("keeps the place of the session before those that came later", () => {
    const [a, b] = [waiting(), waiting()];
    rig.engine.ready.set("q", 1);
    rig.engine.requestTurn();
    settle(rig);
    expect([got(a, b), countOf("q")]).toEqual([[[], []], 2]);
    const c = waiting();
    for (const body of ["1", "2"]) put(producer, "q", body);
    settle(rig);
    expect(got(a, b, c)).toEqual([["1"], ["2"], []]);
  });

  test("of a queue that is emptied or deleted in the same group before, all wait on", () => {
    put(producer, "q", "0");
    send(producer, "get q/open");
    settle(rig);
    const [a, b] = [waiting(), waiting()];
    send(producer, "get q/abort", "flush q", "delete q");
    settle(rig);
    expect(rig.backend.summary("q")).toBeUndefined();
    put(producer, "q", "1");
    settle(rig);
    expect([a, b].flatMap((each) => bodiesIn(each.received()))).toContain("1");
  });
});

test("of very many sessions each message is offered to one that has none, in order", () => {
  const all = Array.from({ length: 2000 }, () => {
    const client = newClient(rig);
    send(client, "get q/t=1000");
    return client;
  });
  settle(rig);
  expect(countOf("q")).toBe(2000);
  for (let n = 0; n < 2000; n++) put(producer, "q", `${n}`);
  settle(rig);
  expect(all.map((each) => bodiesIn(each.received())[0])).toEqual(all.map((_, n) => `${n}`));
});

test("details of a queue tell how many sessions wait for it", () => {
  put(producer, "q", "1");
  send(producer, "get q");
  settle(rig);
  const [a, b] = [waiting(), waiting("peek/t=1000")];
  producer.received();
  send(producer, "stats queue q");
  settle(rig);
  expect(producer.received()).toMatch(/waiters 2/);
  for (const each of [a, b]) disconnect(each);
  send(producer, "stats queue q");
  settle(rig);
  expect(producer.received()).toMatch(/waiters 0/);
});
