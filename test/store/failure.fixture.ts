/** Fills the file in the directory given until nothing fits any more, makes room, goes on, and prints what happened. */
import type { Store } from "../../src/store/store.ts";
import {
  commit,
  maintainAll,
  make,
  messagesOf,
  open,
  position,
  put,
  sent,
  take,
} from "./scratch.ts";

const ALL = Number.MAX_SAFE_INTEGER;

function attempt(work: () => unknown): string {
  try {
    work();
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

function read(store: Store, queue: number): number[] {
  return messagesOf(store.read(queue, 1, ALL)).map(({ number }) => number);
}

const store = open(process.argv[2] as string);
const queue = make(store, "q");
let stored = 0;
const add = (size: number) => {
  put(store, queue, stored + 1, [sent(Buffer.alloc(size, "b"), stored + 1)]);
  stored++;
};

const reasons: string[] = [];
while (reasons.length === 0 && stored < 1000) {
  const reason = attempt(() => add(1000));
  if (reason !== "") reasons.push(reason);
}
const filled = stored;
for (let i = 0; i < 3; i++) reasons.push(attempt(() => add(100_000)));
const readWhileFull = read(store, queue).length;

// Smaller and smaller commits, until not even a position fits any more.
for (let bytes = 1, full = false; !full && bytes < 1000; bytes++) {
  full =
    attempt(() => commit(store, { positions: [position(queue, 1, stored + 1, bytes)] })) !== "";
}
const taken = attempt(() => take(store, queue, stored + 1, stored + 1));

store.checkpoint("truncate");
maintainAll(store);
const readAfterTaking = read(store, queue).length;
const afterwards = attempt(() => add(1000));
const large = attempt(() => add(8_000_000));
add(1000);
console.log(
  JSON.stringify({
    stored: filled,
    reasons,
    readWhileFull,
    taken,
    readAfterTaking,
    afterwards,
    large,
    read: read(store, queue),
  }),
);
store.close();
