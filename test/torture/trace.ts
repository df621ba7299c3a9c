/** Reads what strace wrote (`strace -f -y`): the calls of all threads, as they began and ended. */

/** One system call. */
export interface Call {
  thread: string;
  name: string;
  /** What -y says about the first argument, a descriptor: a path, or `socket:[…]`. */
  target: string;
  /** The quoted arguments, one after the other; cut to what was read or written when the result says how much. */
  bytes: Buffer;
  /** Negative is an error. */
  result: number;
  /** The lines of the trace where it began and where it had ended, from 0. */
  began: number;
  ended: number;
}

const BEGUN = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/s;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/s;
const WHOLE = /^(\d+) +(\w+)\((.*)$/s;
const RESULT = /\) += (-?\d+)/g;
const DATA = new Set(["pwrite64", "write", "writev", "sendto", "sendmsg", "recvfrom", "read"]);

/** The calls in the order in which they ended; what did not end is left out. */
export function readTrace(text: string): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, { began: number; text: string }>();
  for (const [at, line] of text.split("\n").entries()) {
    const begun = BEGUN.exec(line);
    if (begun !== null) {
      const [, thread = "", , args = ""] = begun;
      unfinished.set(thread, { began: at, text: args });
      continue;
    }
    const [, thread = "", name = "", rest = ""] = RESUMED.exec(line) ?? WHOLE.exec(line) ?? [];
    if (name === "") continue;
    const first = RESUMED.test(line) ? unfinished.get(thread) : { began: at, text: "" };
    unfinished.delete(thread);
    if (first === undefined) continue;
    calls.push(callOf(thread, name, first.text + rest, first.began, at));
  }
  return calls;
}

function callOf(thread: string, name: string, text: string, began: number, ended: number): Call {
  const result = Number([...text.matchAll(RESULT)].at(-1)?.[1] ?? NaN);
  const [, target = ""] = /^\d+<(.*?)>(?:[,)]|$)/s.exec(text) ?? [];
  const quoted = DATA.has(name) ? [...text.matchAll(/"((?:[^"\\]|\\.)*)"/gs)] : [];
  const bytes = Buffer.concat(quoted.map(([, escaped = ""]) => unescape(escaped)));
  return {
    thread,
    name,
    target,
    bytes: bytes.subarray(0, Math.max(0, result)),
    result,
    began,
    ended,
  };
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r", v: "\v", f: "\f" };

/** A string as C writes it, in bytes. */
function unescape(text: string): Buffer {
  const plain = text.replace(/\\([0-7]{1,3}|.)/gs, (_, code: string) => {
    if (/^[0-7]/.test(code)) return String.fromCharCode(parseInt(code, 8));
    return ESCAPES[code] ?? code;
  });
  return Buffer.from(plain, "latin1");
}
