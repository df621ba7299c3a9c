/** The judge of traces notices an answer that left too early. */
import { describe, expect, test } from "bun:test";

import { judge, type Verdict } from "./order.ts";
import { readTrace } from "./trace.ts";

const SOCKET = "11<socket:[5]>";
const LOG = "8</h/memcacheq.db-wal>";
/** A second descriptor of the same file. */
const OTHER = "14</h/memcacheq.db-wal>";

const asked = (request: string) =>
  `7 recvfrom(${SOCKET}, "${request}", 524288, MSG_DONTWAIT, NULL, NULL) = ${JSON.parse(`"${request}"`).length}`;
const SET = asked("set sync 0 0 9\\r\\nsync 1 1\\n\\r\\n");
const GET = asked("get sync\\r\\n");
const HEAD = `7 pwrite64(${LOG}, "\\0\\0\\0\\3\\0\\0\\0\\10${"\\0".repeat(16)}", 24, 32) = 24`;
const PAGE = `7 pwrite64(${LOG}, "\\0\\0\\tsync 1 1\\n", 12, 56) = 12`;
const WRITTEN = [HEAD, PAGE];
const SYNC = `7 fsync(${LOG}) = 0`;
const STORED = `7 sendto(${SOCKET}, "STORED\\r\\n", 8, MSG_NOSIGNAL, NULL, 0) = 8`;
const VALUE = `7 sendto(${SOCKET}, "VALUE sync 0 9\\r\\nsync 1 1\\n\\r\\nEND\\r\\n", 32, 0, NULL, 0) = 32`;
/** A thread of its own syncs through its own descriptor, while the first goes on. */
const BEGIN = `9 fdatasync(${OTHER} <unfinished ...>`;
const END = "9 <... fdatasync resumed>) = 0";

function verdict(lines: string[], synced = true): Verdict {
  return judge(readTrace(lines.join("\n")), synced);
}

describe("in order:", () => {
  test.each([
    ["a sync between the write and the answer", [SET, ...WRITTEN, SYNC, STORED]],
    ["a sync of another thread", [SET, ...WRITTEN, BEGIN, END, STORED]],
    ["a get", [GET, ...WRITTEN, BEGIN, END, VALUE]],
    [
      "a write that another thread interrupts",
      [
        SET,
        HEAD,
        PAGE.replace(/, 12, 56.*/, " <unfinished ...>"),
        '9 read(3</x>, "", 1) = 0',
      ].concat("7 <... pwrite64 resumed>, 12, 56) = 12", BEGIN, END, STORED),
    ],
    [
      "a sync that fails, and another",
      [SET, ...WRITTEN, SYNC.replace("0", "-1 EIO"), SYNC, STORED],
    ],
  ])("%s", (_, lines) => {
    const { faults, stored, values, syncs, commits } = verdict(lines);
    expect(faults).toEqual([]);
    expect(stored + values).toBe(1);
    expect({ syncs, commits }).toEqual({ syncs: 1, commits: 1 });
  });

  test("one sync for two requests", () => {
    const second = SET.replaceAll("sync 1 1", "sync 1 2");
    const other = PAGE.replace("sync 1 1", "sync 1 2");
    const lines = [SET, ...WRITTEN, second, HEAD, other, BEGIN, END, STORED, STORED];
    expect(verdict(lines)).toMatchObject({ stored: 2, syncs: 1, commits: 2, faults: [] });
  });

  test("without a sync, when none is wanted", () => {
    expect(verdict([SET, ...WRITTEN, STORED], false)).toMatchObject({
      stored: 1,
      syncs: 0,
      faults: [],
    });
  });
});

describe("out of order:", () => {
  test.each([
    ["no sync at all", [SET, ...WRITTEN, STORED]],
    ["the sync comes after the answer", [SET, ...WRITTEN, STORED, SYNC]],
    ["the sync has not ended", [SET, ...WRITTEN, BEGIN, STORED, END]],
    ["the sync began before the write", [SET, BEGIN, ...WRITTEN, END, STORED]],
    ["the sync began in the middle of the commit", [SET, HEAD, BEGIN, PAGE, END, STORED]],
    ["the sync failed", [SET, ...WRITTEN, `7 fsync(${LOG}) = -1 EIO (Input/output error)`, STORED]],
    ["another file is synced", [SET, ...WRITTEN, "7 fsync(7</h/memcacheq.db>) = 0", STORED]],
    ["a get is answered before the sync", [GET, ...WRITTEN, VALUE, SYNC]],
    ["a get is answered before anything is written", [GET, VALUE, ...WRITTEN, SYNC]],
    ["the write never comes", [SET, SYNC, STORED]],
  ])("%s", (_, lines) => {
    expect(verdict(lines).faults).toHaveLength(1);
  });

  test("an answer is missing", () => {
    expect(verdict([SET, ...WRITTEN, SYNC]).faults).toEqual(["socket:[5]: 1 requests, 0 answers"]);
  });
});
