/**
 * Commits with one call on the database's files failing, the first, the second and so on, and prints what came of each.
 * To be run with the library of ../torture/fault.c; the arguments are a folder and whether the log is empty before.
 */
import { copyFileSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { type Store, StoreError } from "../../src/store/store.ts";
import { CALLS, ERRORS, FILES } from "../torture/shim.ts";
import { commit, fileIn, logIn, make, open, position, segment, sent } from "./scratch.ts";

/** One commit, and what is in the queue at each point; "gone" when the file cannot be opened. */
export interface Attempt {
  call: string;
  file: string;
  partly: boolean;
  /** So many calls worked before. */
  after: number;
  outcome: string;
  message: string;
  /** How many messages there are after a crash right after the commit. */
  crashed: number | string;
  /** What a commit before the recovery is told. */
  between: string;
  /** How many there are after the recovery, as the store says and after a crash, and after another commit and a crash. */
  recovered: number | string;
  crashedLater: number | string;
  crashedLast: number | string;
}

const [, , folder = "", isEmpty = ""] = process.argv;
/** Messages in the queue before. */
const BEFORE = 20;
/** No commit makes so many calls. */
const MOST_CALLS = 60;
/** Calls and files that fail while the store recovers. */
const FAILURES = [
  [CALLS.read, FILES.database],
  [CALLS.read, FILES.log],
  [CALLS.write, FILES.index],
  [CALLS.write, FILES.database],
  [CALLS.sync, FILES.database + FILES.log],
] as const;
let copies = 0;

function arm(calls: number, files: number, after: number, times: number, partly: boolean): void {
  const control = process.env.FAULT_CONTROL as string;
  writeFileSync(control, new Int32Array([0, files, ERRORS.EIO, after, times, partly ? 1 : 0, 0]), {
    flag: "r+",
  });
  writeFileSync(control, new Int32Array([calls]), { flag: "r+" });
}

const disarm = () => arm(0, 0, 0, 0, false);

function put(store: Store, queue: number, count: number, size = 5000): void {
  commit(store, {
    segments: [segment(queue, count, [sent(Buffer.alloc(size, "x"))])],
    positions: [position(queue, 1, count + 1)],
  });
}

function attempt(work: () => void): { outcome: string; message: string } {
  try {
    work();
    return { outcome: "done", message: "" };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { outcome: error.outcome, message: error.message };
  }
}

/** How many messages a server finds that starts after a kill at this moment. */
function afterCrash(directory: string): number | string {
  const image = join(folder, `image${copies++}`);
  mkdirSync(image);
  copyFileSync(fileIn(directory), fileIn(image));
  if (existsSync(logIn(directory))) copyFileSync(logIn(directory), logIn(image));
  const store = open(image);
  const [queue] = store.queues();
  store.close();
  return queue === undefined ? "gone" : queue.tail - 1;
}

function run(call: keyof typeof CALLS, file: keyof typeof FILES, partly: boolean, after: number) {
  const directory = join(folder, `home${copies++}`);
  mkdirSync(directory);
  const store = open(directory, { sync: true, cache: 64 * 1024 * 1024 });
  // The index grows when the log is longer than 4,062 frames.
  const size = file === "index" ? 20_000_000 : 5000;
  const queue = make(store, "q");
  for (let n = 1; n <= BEFORE; n++) put(store, queue, n);
  if (isEmpty === "empty") store.checkpoint("truncate");
  if (isEmpty === "anew") store.checkpoint("full");
  arm(CALLS[call], FILES[file], after, 1, partly);
  const first = attempt(() => put(store, queue, BEFORE + 1, size));
  disarm();
  const crashed = afterCrash(directory);
  const between = attempt(() => put(store, queue, BEFORE + 1)).message;
  const tail = () => (store.queues()[0]?.tail ?? 0) - 1;
  const result: Attempt = {
    call,
    file,
    partly,
    after,
    ...first,
    crashed,
    between,
    ...(first.outcome === "unknown"
      ? recovered()
      : { recovered: "", crashedLater: "", crashedLast: "" }),
  };
  store.close();
  return result;

  function recovered() {
    // The recovery may fail as well, at any point, and is repeated.
    for (const [calls, files] of FAILURES) {
      arm(calls, files, 0, 1000, false);
      attempt(() => store.recover());
      disarm();
    }
    store.recover();
    const count = tail();
    const crashedLater = afterCrash(directory);
    put(store, queue, count + 1);
    return { recovered: count, crashedLater, crashedLast: afterCrash(directory) };
  }
}

const attempts: Attempt[] = [];
for (const call of ["write", "sync", "truncate"] as const) {
  for (const file of ["log", "index", "database"] as const) {
    for (const partly of call === "write" ? [false, true] : [false]) {
      // The index grows by many small writes, each of which is the end of the commit.
      const most = file === "index" ? 1 : MOST_CALLS;
      for (let after = 0; after < most; after++) {
        const one = run(call, file, partly, after);
        if (one.outcome === "done") break;
        attempts.push(one);
      }
    }
  }
}
/** A checkpoint whose sync fails: commits go on, and the log goes in once more, from its beginning. */
function failedCheckpoint(): string[] {
  const directory = join(folder, `home${copies++}`);
  mkdirSync(directory);
  const store = open(directory, { sync: true });
  const queue = make(store, "q");
  // The first is longer than the cache.
  for (let n = 1; n <= BEFORE; n++) put(store, queue, n, n === 1 ? 2_000_000 : 5000);
  arm(CALLS.sync, FILES.database, 0, 1, false);
  const first = attempt(() => store.checkpoint("passive"));
  disarm();
  const second = attempt(() => put(store, queue, BEFORE + 1));
  // Reading fails, and is no damage.
  arm(CALLS.read, FILES.database + FILES.log, 0, 1000, false);
  const third = attempt(() => store.read(queue, 1, 1));
  disarm();
  const before = statSync(logIn(directory)).size > 0;
  const fourth = attempt(() => store.autoCheckpoint());
  const after = statSync(logIn(directory)).size > 0;
  const tail = store.queues()[0]?.tail;
  const found = `${store.read(queue, 1, 1e9).length} of ${tail}, after a crash ${afterCrash(directory)}`;
  store.close();
  return [first, second, third, fourth]
    .map(({ outcome, message }) => `${outcome} ${message}`.trim())
    .concat(`log ${before} ${after}`, found);
}

console.log(JSON.stringify({ attempts, checkpoint: failedCheckpoint() }));
