/** What `stats` must say of all clients together. */
import { ofText, Violation } from "./violation.ts";

export interface Counters {
  values: Record<string, number>;
  /** The values at the last `stats reset`. */
  reset: Record<string, number>;
}

/** Values that say how things are now: a reset leaves them. */
const LASTING = new Set(["curr_connections"]);
/** This one is told as it is behind the group. */
const LATE = "lost_messages";

export function newCounters(): Counters {
  const values = {
    curr_connections: 0,
    total_connections: 0,
    get_cmds: 0,
    get_hits: 0,
    set_cmds: 0,
    set_hits: 0,
    bytes_read: 0,
    lost_messages: 0,
  };
  return { values, reset: {} };
}

export function countOne({ values }: Counters, name: string, more = 1): void {
  values[name] = (values[name] ?? 0) + more;
}

export function resetCounters(counters: Counters): void {
  counters.reset = { ...counters.values };
}

/**
 * A function that compares the answer to `stats` at the beginning of a text with the counters as they are now.
 * @returns the length of the answer @throws Violation
 */
export function checkOf({ values, reset }: Counters): (text: string) => number {
  const right = Object.entries(values)
    .filter(([name]) => name !== LATE)
    .map(([name, value]) => {
      return [name, String(LASTING.has(name) ? value : value - (reset[name] ?? 0))] as const;
    });
  return (text) => {
    right.push([LATE, String(values[LATE])]);
    const end = text.indexOf("END\r\n");
    if (end < 0) throw new Violation(`statistics without an end: ${ofText(text)}`);
    const lines = text.slice(0, end).split("\r\n").slice(0, -1);
    const told = new Map(lines.map((line) => line.split(" ").slice(1) as [string, string]));
    for (const [name, value] of right) {
      if (told.get(name) === value) continue;
      throw new Violation(`stats says ${name} ${told.get(name)}, and it is ${value}`);
    }
    return end + "END\r\n".length;
  };
}
