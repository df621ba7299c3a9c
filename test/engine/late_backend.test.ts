/** A backend that keeps the contract, and answers later: the engine gathers meanwhile, and loses nothing. */
import { beforeEach, describe, expect, test } from "bun:test";

import { StoreError } from "../../src/store/store.ts";
import { newRandom, seeds } from "../protocol/random.ts";
import { suite } from "../store/scratch.ts";
import { finishAll, type Late, newLate } from "./late.ts";
import {
  advance,
  bodiesIn,
  type Client,
  disconnect,
  end,
  newClient,
  put,
  type Rig,
  send,
  settle,
} from "./rig.ts";

suite();

describe.each(["at once", "late"] as const)("a backend that works %s", (when) => {
  let late: Late;
  let rig: Rig;
  let [a, b, c]: [Client, Client, Client] = [] as never;
  beforeEach(() => {
    late = newLate(when);
    ({ rig } = late);
    [a, b, c] = [newClient(rig), newClient(rig), newClient(rig)];
  });

  /** Puts messages into `q`, and forgets the replies. */
  async function stock(...bodies: string[]): Promise<void> {
    for (const body of bodies) put(a, "q", body);
    await finishAll(late);
    expect(a.received()).toBe("STORED\r\n".repeat(bodies.length));
  }

  test("lets the next group gather meanwhile, and it is one call", async () => {
    put(a, "q", "1");
    settle(rig);
    expect([late.isBusy(), late.calls]).toEqual([true, [1]]);
    put(a, "q", "2");
    put(b, "q", "3");
    send(c, "get q");
    settle(rig);
    expect([late.calls, a.received()]).toEqual([[1], ""]);
    await late.finish();
    expect([late.calls, a.received(), b.received()]).toEqual([[1, 3], "STORED\r\n", ""]);
    await late.finish();
    expect([a.received(), b.received()]).toEqual(["STORED\r\n", "STORED\r\n"]);
    expect(bodiesIn(c.received())).toEqual(["1"]);
    expect([late.isBusy(), late.calls]).toEqual([false, [1, 3]]);
  });

  test("groups take effect in order", async () => {
    put(a, "q", "1");
    settle(rig);
    send(b, "get q");
    put(a, "q", "2");
    send(b, "get q", "delete q", "get q");
    await finishAll(late);
    expect(b.received()).toMatch(/VALUE q 0 1\r\n1\r\nEND\r\n.*2\r\nEND\r\nDELETED\r\nEND\r\n$/s);
  });

  test("replies to one client come in the order of its requests", async () => {
    const lines: string[] = [];
    for (let n = 0; n < 300; n++) {
      if (n % 3 === 0) put(a, "q", `${n}`);
      else send(a, n % 3 === 1 ? "get q" : "version");
      lines.push(
        ["STORED", `VALUE q 0 ${`${n - 1}`.length}\r\n${n - 1}\r\nEND`, "VERSION 1"][n % 3] ?? "",
      );
      if (n % 7 === 0) settle(rig);
      if (n % 40 === 0) await late.finish();
    }
    await finishAll(late);
    expect(a.received()).toBe(lines.map((line) => `${line}\r\n`).join(""));
  });

  test("a get of very many keys goes on in parts, beside others", async () => {
    await stock(...Array.from({ length: 100 }, (_, n) => `${n}`));
    send(a, `get ${Array(100).fill("q").join(" ")}`);
    settle(rig);
    send(b, "version");
    await late.finish();
    await late.finish();
    expect(b.received()).toBe("VERSION 1\r\n");
    await finishAll(late);
    const reply = a.received();
    expect(bodiesIn(reply)).toEqual(Array.from({ length: 100 }, (_, n) => `${n}`));
    expect(reply.match(/END\r\n/g)).toHaveLength(1);
  });

  test("a client that ends its side while its group is on its way is replied to, and ended", async () => {
    put(a, "q", "1");
    settle(rig);
    send(a, "get q", "version");
    end(a);
    await late.finish();
    expect(a.ended).toBe(false);
    await finishAll(late);
    expect(a.received()).toBe("STORED\r\nVALUE q 0 1\r\n1\r\nEND\r\nVERSION 1\r\n");
    expect(a.ended).toBe(true);
  });

  test("a commit that fails fails its group, and not the one that gathered meanwhile", async () => {
    await stock("1");
    const { commit } = rig.store;
    rig.store.commit = () => {
      rig.store.commit = commit;
      throw new StoreError("no");
    };
    send(a, "get q");
    settle(rig);
    send(b, "get q");
    put(c, "q", "2");
    await finishAll(late);
    expect(a.received()).toBe("SERVER_ERROR no\r\n");
    expect([bodiesIn(b.received()), c.received()]).toEqual([["1"], "STORED\r\n"]);
  });

  describe("a client that goes away while its group is on its way", () => {
    test("leaves what it took: it is restored before all others", async () => {
      await stock("1", "2", "3");
      send(a, "get q", "get q");
      settle(rig);
      disconnect(a);
      await finishAll(late);
      expect(rig.backend.summary("q")).toMatchObject({ messages: 3, gets: 0 });
      send(b, "get q", "get q", "get q");
      await finishAll(late);
      expect(bodiesIn(b.received())).toEqual(["1", "2", "3"]);
      expect(a.received()).toBe("");
    });

    test("leaves what it opened, and what it had open", async () => {
      await stock("1", "2", "3");
      send(b, "get q/open");
      await finishAll(late);
      send(b, "get q/close/open");
      settle(rig);
      disconnect(b);
      await finishAll(late);
      expect(rig.backend.summary("q")).toMatchObject({ messages: 2, open: 0, gets: 1 });
      send(c, "get q", "get q");
      await finishAll(late);
      expect(bodiesIn(c.received())).toEqual(["2", "3"]);
    });

    test("has sent its complete sets and deletes", async () => {
      await stock("1");
      put(b, "r", "2");
      send(b, "delete q");
      settle(rig);
      put(b, "r", "3");
      disconnect(b);
      await finishAll(late);
      expect(rig.backend.summary("r")).toMatchObject({ messages: 2 });
      expect(rig.backend.summary("q")).toBeUndefined();
    });

    test("has sent its sets, also those that were postponed, in their order", async () => {
      late = newLate(when, 4);
      ({ rig } = late);
      [a, b, c] = [newClient(rig), newClient(rig), newClient(rig)];
      await stock("x".repeat(200_000), "y".repeat(200_000));
      send(b, "get q", "get q");
      for (const body of ["1", "2", "3", "4"]) put(b, "r", body);
      settle(rig);
      // The second message is too much for this group, and so what comes behind it is postponed.
      disconnect(b);
      await finishAll(late);
      expect(rig.backend.summary("q")).toMatchObject({ messages: 2 });
      send(c, "get r", "get r", "get r", "get r", "get r");
      await finishAll(late);
      expect(bodiesIn(c.received())).toEqual(["1", "2", "3", "4"]);
    });

    test("has closed what it had open, also with a get that was postponed", async () => {
      await stock("1", "x".repeat(200_000), "y".repeat(200_000));
      send(b, "get q/open");
      await finishAll(late);
      send(b, "get q", "get q", "get q/close");
      settle(rig);
      disconnect(b);
      await finishAll(late);
      expect(rig.backend.summary("q")).toMatchObject({ messages: 2, open: 0, gets: 1 });
    });

    test("takes nothing with what it asked for in the group that gathers", async () => {
      await stock("1");
      put(a, "r", "x");
      settle(rig);
      send(b, "get q", "get q/open", "get r/peek");
      disconnect(b);
      await finishAll(late);
      expect(rig.backend.summary("q")).toMatchObject({ messages: 1, open: 0, gets: 0 });
    });

    test("whose message goes to a session that waits by then", async () => {
      await stock("1");
      send(b, "get q");
      settle(rig);
      send(c, "get q/t=1000");
      disconnect(b);
      await finishAll(late);
      expect(bodiesIn(c.received())).toEqual(["1"]);
    });
  });

  describe("a session that waits", () => {
    beforeEach(async () => {
      for (const each of [b, c]) {
        send(each, "get q/t=1000");
        await finishAll(late);
      }
    });

    test("is served by a set that gathered while other things were on their way", async () => {
      send(a, "delete r");
      settle(rig);
      put(a, "q", "1");
      await finishAll(late);
      expect([bodiesIn(b.received()), bodiesIn(c.received())]).toEqual([["1"], []]);
    });

    test("and goes away while a message is offered to it: the next one gets it", async () => {
      put(a, "q", "1");
      settle(rig);
      disconnect(b);
      await finishAll(late);
      expect([b.received(), bodiesIn(c.received())]).toEqual(["", ["1"]]);
      expect(rig.backend.summary("q")).toMatchObject({ messages: 0, gets: 1 });
    });

    test("and whose time is over while a message is offered to it gets the message", async () => {
      put(a, "q", "1");
      settle(rig);
      advance(rig, 1000);
      await finishAll(late);
      expect([bodiesIn(b.received()), c.received()]).toEqual([["1"], "END\r\n"]);
    });

    test("keeps its place when another get takes what was offered to it", async () => {
      const [later, thief] = [newClient(rig), newClient(rig)];
      send(later, "get q/t=1000");
      await finishAll(late);
      put(a, "q", "1");
      // What was offered to it is left, and is offered to the next one behind the get that has come meanwhile.
      disconnect(b);
      settle(rig);
      send(thief, "get q");
      await finishAll(late);
      expect([bodiesIn(thief.received()), c.received()]).toEqual([["1"], ""]);
      put(a, "q", "2");
      put(a, "q", "3");
      await finishAll(late);
      expect([bodiesIn(c.received()), bodiesIn(later.received())]).toEqual([["2"], ["3"]]);
    });

    test("and begins to wait behind a set that is on its way is served by it", async () => {
      for (const each of [b, c]) disconnect(each);
      await finishAll(late);
      const waiter = newClient(rig);
      send(waiter, "get q/t=1000");
      settle(rig);
      put(a, "q", "1");
      await finishAll(late);
      expect(bodiesIn(waiter.received())).toEqual(["1"]);
    });
  });

  test("has what is due done in a call of its own, and the groups behind it wait", async () => {
    put(a, "q/delay=100", "1");
    await finishAll(late);
    send(b, "get q/t=1000");
    await finishAll(late);
    late.calls.length = 0;
    advance(rig, 100);
    settle(rig);
    expect([late.isBusy(), late.calls]).toEqual([true, [0]]);
    send(c, "version");
    settle(rig);
    expect([late.calls, c.received()]).toEqual([[0], ""]);
    await finishAll(late);
    expect([bodiesIn(b.received()), c.received()]).toEqual([["1"], "VERSION 1\r\n"]);
    expect(late.calls.slice(0, 2)).toEqual([0, expect.any(Number)]);
  });

  test("that cannot do what is due goes on", async () => {
    put(a, "q/delay=100", "1");
    await finishAll(late);
    const { due } = rig.store;
    rig.store.due = () => {
      rig.store.due = due;
      throw new StoreError("no");
    };
    advance(rig, 100);
    await finishAll(late);
    send(b, "get q");
    await finishAll(late);
    expect(b.received()).toBe("END\r\n");
    advance(rig, 1000);
    await finishAll(late);
    send(b, "get q");
    await finishAll(late);
    expect(bodiesIn(b.received())).toEqual(["1"]);
  });

  test("brings general statistics up to date with the requests before them", async () => {
    put(a, "q", "1");
    settle(rig);
    put(a, "q", "22");
    send(a, "stats", "get q", "get q", "stats");
    await finishAll(late);
    const lines = a.received().split("\r\n");
    const of = (name: string) => lines.filter((line) => line.startsWith(`STAT ${name} `));
    expect(of("curr_items")).toEqual(["STAT curr_items 2", "STAT curr_items 0"]);
    expect(of("bytes")).toEqual(["STAT bytes 3", "STAT bytes 0"]);
    expect(of("queue_q_items")).toEqual(["STAT queue_q_items 2", "STAT queue_q_items 0"]);
  });

  test("tells how many queues there are where they are too many to tell of each", async () => {
    rig.engine.settings.statsQueues = 1;
    for (const queue of ["q", "r"]) put(a, queue, "1");
    send(a, "stats");
    await finishAll(late);
    expect(a.received()).toMatch(/STAT curr_items 2\r\n.*STAT queues 2\r\nEND\r\n$/s);
  });

  test.each(seeds)("loses no message, and delivers none twice, seed %d", async (seed) => {
    const random = newRandom(seed);
    for (const most of [Infinity, 3, 1]) {
      late = newLate(when, most);
      ({ rig } = late);
      const all: Client[] = Array.from({ length: 8 }, () => newClient(rig));
      // What a client has sent, and is not gathered yet, is gone with it: these two stay.
      const producers = [newClient(rig), newClient(rig)];
      const told = new Map<string, number>();
      const replied = (client: Client) => {
        for (const each of bodiesIn(client.received())) {
          if (each !== "END") told.set(each, (told.get(each) ?? 0) + 1);
        }
      };
      let count = 0;
      for (let n = 0; n < 600; n++) {
        const at = random.below(all.length);
        const client = all[at] as Client;
        const roll = random.below(100);
        if (roll < 40) put(random.pick(producers), random.pick(["q", "r"]), `${++count}`);
        else if (roll < 70) send(client, `get ${random.pick(["q", "r", "q r"])}`);
        else if (roll < 76) send(client, `get ${random.pick(["q", "r"])}/t=50`);
        else if (roll < 82) {
          replied(client);
          disconnect(client);
          all[at] = newClient(rig);
        } else if (roll < 90) advance(rig, 10);
        else if (roll < 95) settle(rig);
        else await late.finish();
      }
      await finishAll(late);
      advance(rig, 50);
      await finishAll(late);
      for (const client of all) replied(client);
      const last = newClient(rig);
      for (let n = 0; n < count; n++) send(last, "get q", "get r");
      await finishAll(late);
      replied(last);
      expect([...told.values()].filter((times) => times > 1)).toEqual([]);
      expect(told.size).toBe(count);
    }
  });
});
