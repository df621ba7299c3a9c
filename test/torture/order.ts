/** Whether a trace shows any answer that left before what it says was synced. */
import type { Call } from "./trace.ts";

/** What was found in a trace. */
export interface Verdict {
  /** Answers that were checked: STORED, and a VALUE that is not a peek's. */
  stored: number;
  values: number;
  /** Syncs of the log between the first request and the last answer. */
  syncs: number;
  commits: number;
  faults: string[];
}

/** When something happened, in lines of the trace. */
interface Span {
  began: number;
  ended: number;
}

interface Asked {
  /** The line of a `set` with the first line of its body, the line of a `get`. */
  text: string;
  /** All of it was received. */
  at: number;
}

interface Answered {
  word: string;
  /** The call that sent its first byte began. */
  at: number;
}

/** Bytes of the head of each page in the log; bytes 4 to 8 are not 0 when the page ends a commit. */
const FRAME_HEAD = 24;

/** @param synced whether each commit is to be synced */
export function judge(calls: Call[], synced: boolean): Verdict {
  const log = calls.filter(({ target }) => target.endsWith("-wal"));
  const writes = log.filter(({ name, result }) => name === "pwrite64" && result > 0);
  const syncs = log.filter(({ name, result }) => /^f(data)?sync$/.test(name) && result === 0);
  const commits = commitsIn(writes);
  const verdict: Verdict = { stored: 0, values: 0, syncs: 0, commits: 0, faults: [] };
  let [first, last] = [Infinity, 0];
  for (const socket of new Set(calls.map(({ target }) => target).filter(isSocket))) {
    const own = calls.filter(({ target }) => target === socket);
    const asked = requestsIn(own);
    const answered = answersIn(own);
    if (asked.length !== answered.length) {
      verdict.faults.push(`${socket}: ${asked.length} requests, ${answered.length} answers`);
    }
    for (const [i, { word, at }] of answered.entries()) {
      const request = asked[i];
      if (request === undefined) break;
      first = Math.min(first, request.at);
      last = Math.max(last, at);
      if (word === "STORED") verdict.stored++;
      else if (word === "VALUE") verdict.values++;
      else continue;
      if (!synced) continue;
      const commit =
        word === "STORED" ? commitOf(request, writes, commits) : next(commits, request.at);
      const problem = problemOf(commit, syncs, at);
      if (problem !== undefined)
        verdict.faults.push(
          `${request.text.replace(/\s+/g, " ")}: ${word} on line ${at + 1}: ${problem}`,
        );
    }
  }
  const within = ({ began }: Span) => began > first && began < last;
  verdict.syncs = syncs.filter(within).length;
  verdict.commits = commits.filter(within).length;
  return verdict;
}

function isSocket(target: string): boolean {
  return target.startsWith("socket:") || target.startsWith("TCP");
}

/** The last page of each commit, as it was written. */
function commitsIn(writes: Call[]): Span[] {
  const commits: Span[] = [];
  let ends = false;
  for (const { bytes, result, began, ended } of writes) {
    if (result === FRAME_HEAD) ends = bytes.readUInt32BE(4) !== 0;
    else if (ends) {
      commits.push({ began, ended });
      ends = false;
    }
  }
  return commits;
}

/** The commit that wrote the body of a `set` for the first time. */
function commitOf({ text, at }: Asked, writes: Call[], commits: Span[]): Span | undefined {
  const [, body = ""] = text.split("\r\n");
  const written = writes.find(
    ({ bytes, ended }) => ended > at && bytes.includes(`${body}\n`, 0, "latin1"),
  );
  return written === undefined ? undefined : commits.find(({ ended }) => ended >= written.ended);
}

/** What a request changes is committed before anything that comes later. */
function next(commits: Span[], at: number): Span | undefined {
  return commits.find(({ began }) => began > at);
}

function problemOf(commit: Span | undefined, syncs: Span[], at: number): string | undefined {
  if (commit === undefined) return "it was never written to the log";
  if (commit.ended > at) return `the log was written only on line ${commit.ended + 1}`;
  const sync = syncs.find(({ began, ended }) => began > commit.ended && ended < at);
  if (sync !== undefined) return undefined;
  return `no sync began after line ${commit.ended + 1}, where the log was written, and ended before`;
}

/** All requests, which are `set`s of bodies of one line, and `get`s of one key. */
function requestsIn(calls: Call[]): Asked[] {
  const requests: Asked[] = [];
  let text = "";
  for (const { name, bytes, ended } of calls) {
    if (name !== "recvfrom" && name !== "read") continue;
    text += bytes.toString("latin1");
    for (;;) {
      const [whole, request] = /^(set [^\r]*\r\n[^\r]*?)\n?\r\n|^(get [^\r]*)\r\n/.exec(text) ?? [];
      if (whole === undefined) break;
      requests.push({ text: request ?? whole.trimEnd(), at: ended });
      text = text.slice(whole.length);
    }
  }
  return requests;
}

function answersIn(calls: Call[]): Answered[] {
  const answers: Answered[] = [];
  let text = "";
  let begun = 0;
  for (const { name, bytes, began } of calls) {
    if (!/^(sendto|sendmsg|write|writev)$/.test(name)) continue;
    if (text === "") begun = began;
    text += bytes.toString("latin1");
    for (;;) {
      const [whole] = /^(VALUE [^\r]*\r\n[^\r]*\r\nEND|[^\rV][^\r]*)\r\n/.exec(text) ?? [];
      if (whole === undefined) break;
      answers.push({ word: whole.split(/[ \r]/, 1)[0] ?? "", at: begun });
      text = text.slice(whole.length);
      begun = began;
    }
  }
  return answers;
}
