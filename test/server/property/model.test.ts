/** The model itself: it must object to what a server must not do, and to nothing else. */
import { describe, expect, test } from "bun:test";

import {
  check,
  type Delivery,
  expectedDetails,
  newHistory,
  noteDelivered,
  noteLost,
  noteNothing,
  noteSet,
  noteStored,
  type Request,
  settle,
} from "./model.ts";

/** A history of what is written as "set 1", "take 1", one after the other or each at its own time. */
function story() {
  const history = newHistory("q");
  let clock = 0;
  let order = 0;
  const request = (client: number, sent = ++clock, answered = ++clock): Request => ({
    client,
    order: ++order,
    sent,
    answered,
  });
  const self = {
    history,
    set(id: number, times: [number, number] | [] = []): void {
      noteStored(history, noteSet(history, id, 10, request(100 + id, ...times)));
    },
    take(id: number, times: [number, number] | [] = [], how: "take" | "open" | "peek" = "take") {
      return noteDelivered(history, request(200 + id + clock, ...times), id, id, how);
    },
    open: (id: number, times: [number, number] | [] = []) =>
      self.take(id, times, "open") as Delivery,
    nothing: (times: [number, number] | [] = []) =>
      noteNothing(history, request(300 + clock, ...times), false),
    putBack(delivery: Delivery, times: [number, number] | [] = []): void {
      delivery.release = request(400 + clock, ...times);
    },
    lose: (gone: number, set: number, times: [number, number] | [] = []) =>
      noteLost(history, request(500 + clock, ...times), gone, set),
  };
  return self;
}

type Story = ReturnType<typeof story>;

describe.each<[string, RegExp, (story: Story) => void]>([
  [
    "a message comes twice",
    /delivered twice/,
    ({ set, take }) => {
      set(1);
      take(1);
      take(1);
    },
  ],
  [
    "a message that somebody has open comes",
    /delivered twice/,
    ({ set, take, open, putBack }) => {
      set(1);
      const held = open(1);
      take(1);
      putBack(held);
    },
  ],
  [
    "a younger message comes first",
    /number 1 was there/,
    ({ set, take }) => {
      set(1);
      set(2);
      take(2);
      take(1);
    },
  ],
  [
    "what was put back does not come first",
    /number 1 was there/,
    ({ set, take, open, putBack }) => {
      set(1);
      set(2);
      putBack(open(1));
      take(2);
      take(1);
    },
  ],
  [
    "nothing comes though there is a message",
    /got nothing, but number 1/,
    ({ set, take, nothing }) => {
      set(1);
      nothing();
      take(1);
    },
  ],
  [
    "what is taken is peeked at",
    /peeked at, but taken/,
    ({ set, take }) => {
      set(1);
      take(1);
      take(1, [], "peek");
    },
  ],
  [
    "numbers are not in the order of the sets",
    /set before 1, and comes after/,
    ({ set, take }) => {
      set(2);
      set(1);
      take(1);
      take(2);
    },
  ],
])("it objects when %s", (_title, words, tell) => {
  test("one after the other", () => {
    const told = story();
    tell(told);
    expect(() => check(told.history)).toThrow(words);
  });
});

test.each<[string, (story: Story) => void]>([
  [
    "in order",
    ({ set, take, open, putBack, nothing }) => {
      set(1);
      set(2);
      take(1, [], "peek");
      putBack(open(1));
      take(1);
      take(2);
      nothing();
    },
  ],
  [
    "at the same time, in whatever order",
    ({ set, take, nothing }) => {
      set(1, [1, 10]);
      set(2, [1, 10]);
      nothing([2, 9]);
      take(2, [3, 12]);
      take(1, [3, 12]);
      nothing([5, 20]);
    },
  ],
  [
    "an end of a connection that takes its time",
    ({ set, take, open, putBack, nothing }) => {
      set(1, [1, 2]);
      set(2, [3, 4]);
      const held = open(1, [5, 6]);
      putBack(held, [10, 20]);
      take(2, [11, 12]);
      nothing([13, 14]);
      take(1, [15, 16]);
    },
  ],
])("it accepts what happens %s", (_title, tell) => {
  const told = story();
  tell(told);
  check(told.history);
  settle(told.history, 2, 2);
  expect(expectedDetails(told.history, 0)).toMatchObject({ messages: 0, sets: 2, gets: 2 });
});

describe("lost messages", () => {
  test("are a fault", () => {
    const { history, set, take } = story();
    for (const id of [1, 2, 3]) set(id);
    take(1);
    take(3);
    expect(() => settle(history, 3, 3)).toThrow("1 stored messages are lost");
  });

  test("are none when somebody was not told of them, for each one", () => {
    for (const gone of [1, 2]) {
      const { history, set, take, lose } = story();
      for (const id of [1, 2, 3]) set(id);
      lose(gone, 0);
      take(3);
      if (gone === 2) settle(history, 3, 3);
      else expect(() => settle(history, 3, 3)).toThrow("2 stored messages are lost");
    }
  });

  test("are none when they are open", () => {
    const { history, set, open } = story();
    set(1);
    open(1);
    expect(() => settle(history, 1, 1)).toThrow("counters 1/1");
    settle(history, 1, 0);
    const expected = { messages: 1, bytes: 10, open: 1, waiters: 0, sets: 1, gets: 0 };
    expect(expectedDetails(history, 0)).toEqual(expected);
  });
});

test("sets without an answer may be counted or not", () => {
  for (const [sets, fine] of [
    [1, true],
    [2, true],
    [3, false],
    [0, false],
  ] as const) {
    const { history, set, take, lose } = story();
    set(1);
    take(1);
    lose(1, 1);
    if (fine) settle(history, sets, sets);
    else expect(() => settle(history, sets, sets)).toThrow("q:");
  }
});
