/** A client that goes away: what it asked for, what it has open, and what it was not sent any more. */
import { beforeEach, describe, expect, test } from "bun:test";

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
let gone: Client;
let other: Client;
beforeEach(() => {
  rig = newRig();
  [gone, other] = [newClient(rig), newClient(rig)];
  for (const body of ["1", "2", "3"]) put(other, "q", body);
  settle(rig);
  other.received();
});

/** The bodies of all messages that are left, which are taken. */
function left(): string[] {
  for (let n = 0; n < 5; n++) send(other, "get q");
  settle(rig);
  return bodiesIn(other.received());
}

/** The next commit fails. */
function failNextCommit(): void {
  const { commit } = rig.store;
  rig.store.commit = () => {
    rig.store.commit = commit;
    throw new StoreError("no space");
  };
}

describe("before its group is closed", () => {
  test("takes, opens and looks at nothing", () => {
    send(gone, "get q", "get q/open", "get q/peek", "get q q q");
    disconnect(gone);
    settle(rig);
    expect(rig.backend.summary("q")).toMatchObject({ messages: 3, open: 0, gets: 0 });
    expect([gone.received(), left()]).toEqual(["", ["1", "2", "3"]]);
  });

  test("has sent its complete sets, closes and deletes, and not a set that is not whole", () => {
    put(other, "r", "1");
    send(gone, "get q/open");
    settle(rig);
    put(gone, "s", "2");
    send(gone, "get q/close", "delete r", "set s 0 0 5", "abc");
    disconnect(gone);
    settle(rig);
    expect(rig.backend.summary("s")).toMatchObject({ messages: 1 });
    expect(rig.backend.summary("q")).toMatchObject({ messages: 2, open: 0, gets: 1 });
    expect(rig.backend.summary("r")).toBeUndefined();
  });

  test("leaves others of its group alone", () => {
    send(gone, "get q");
    send(other, "get q");
    disconnect(gone);
    settle(rig);
    expect(bodiesIn(other.received())).toEqual(["1"]);
  });
});

describe("what it has open", () => {
  test("goes back, each message to its place", () => {
    send(gone, "get q/open");
    settle(rig);
    send(other, "get q");
    settle(rig);
    disconnect(gone);
    expect(bodiesIn(other.received())).toEqual(["2"]);
    expect(left()).toEqual(["1", "3"]);
  });

  test("goes back although the commit of that group fails", () => {
    send(gone, "get q/open");
    settle(rig);
    failNextCommit();
    disconnect(gone);
    put(other, "r", "x");
    settle(rig);
    expect(other.received()).toBe("SERVER_ERROR no space\r\n");
    expect(rig.backend.summary("q")).toMatchObject({ messages: 3, open: 0 });
    expect(left()).toEqual(["1", "2", "3"]);
  });

  test("stays open when it only sends no more", () => {
    send(gone, "get q/open");
    end(gone);
    settle(rig);
    expect([bodiesIn(gone.received()), gone.ended]).toEqual([["1"], true]);
    expect(rig.backend.summary("q")).toMatchObject({ open: 1 });
    disconnect(gone);
    expect(left()).toEqual(["1", "2", "3"]);
  });
});

describe("what it was not sent any more", () => {
  beforeEach(() => {
    gone.isDeaf = true;
  });

  test("goes back before all younger messages, on disk too", () => {
    send(gone, "get q", "get q");
    settle(rig);
    expect(rig.backend.summary("q")).toMatchObject({ messages: 3, bytes: 3, gets: 0 });
    const [stored] = rig.store.queues();
    expect(stored).toMatchObject({ head: 3, tail: 4, held: [1, 2], bytes: 3 });
    expect(left()).toEqual(["1", "2", "3"]);
  });

  test("goes back after it was set in the same group", () => {
    put(other, "r", "x");
    send(gone, "get r");
    settle(rig);
    expect(rig.backend.summary("r")).toMatchObject({ messages: 1 });
  });

  test("and is large goes back, too", () => {
    const body = "x".repeat(100_000);
    put(other, "r", body);
    send(gone, "get r");
    settle(rig);
    other.received();
    send(other, "get r");
    settle(rig);
    expect(bodiesIn(other.received())).toEqual([body]);
  });

  test("goes into no other queue of that name", () => {
    send(gone, "get q");
    send(other, "delete q");
    put(other, "q", "new");
    settle(rig);
    other.received();
    expect(left()).toEqual(["new"]);
  });

  test("goes back later when the commit of that fails", () => {
    const { commit } = rig.store;
    let commits = 0;
    rig.store.commit = (batch) => {
      if (++commits === 2) throw new StoreError("no space");
      commit(batch);
    };
    send(gone, "get q");
    settle(rig);
    advance(rig, 1000);
    settle(rig);
    expect(left()).toEqual(["1", "2", "3"]);
  });
});

describe("while its requests are put off", () => {
  const LARGE = 200_000;
  beforeEach(() => {
    for (let n = 0; n < 9; n++) put(other, "large", "x".repeat(LARGE));
    settle(rig);
    other.received();
  });

  /** Executes what a group takes at a time. */
  function step(): void {
    for (const work of rig.soon.splice(0)) work();
  }

  test("has sent its sets, in order, and closed what it closed", () => {
    send(gone, "get q/open");
    settle(rig);
    send(gone, "get large", "get large", "set s 0 0 1", "1", "get q/close");
    for (let n = 0; n < 6; n++) send(newClient(rig), "get large");
    send(gone, "set s 0 0 1", "2", "set s 0 0 1", "3");
    step();
    disconnect(gone);
    settle(rig);
    expect(rig.backend.summary("large")).toMatchObject({ messages: 2, gets: 7 });
    expect(rig.backend.summary("q")).toMatchObject({ messages: 2, open: 0, gets: 1 });
    other.received();
    send(other, "get s", "get s", "get s");
    settle(rig);
    expect(bodiesIn(other.received())).toEqual(["1", "2", "3"]);
  });

  test("has flushed all queues", () => {
    for (let n = 0; n < 1000; n++) put(other, `f${n}`, "x");
    settle(rig);
    send(gone, "flush_all");
    step();
    disconnect(gone);
    settle(rig);
    expect(rig.backend.summary("f999")).toMatchObject({ messages: 0 });
  });
});
