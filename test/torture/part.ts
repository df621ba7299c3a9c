import type { Random } from "../protocol/random.ts";

/** What `bun run torture` consists of. */
export interface Part {
  name: string;
  /** How much of the time it gets, beside the others. */
  share: number;
  /**
   * Goes on for about `budget` milliseconds. Rejects with what the server did wrong; what it counts and notes until
   * then is in the closing table.
   */
  run(budget: number, random: Random, report: Report): Promise<void>;
}

export interface Report {
  count(what: string, times?: number): void;
  /** For the figures that are no counts. */
  note(text: string): void;
}

/** What a part counted and noted. */
export interface Tally {
  counts: Map<string, number>;
  notes: string[];
}

export function newTally(): Tally {
  return { counts: new Map(), notes: [] };
}

export function reportTo({ counts, notes }: Tally): Report {
  return {
    count: (what, times = 1) => void counts.set(what, (counts.get(what) ?? 0) + times),
    note: (text) => void notes.push(text),
  };
}
