import type { Random } from "../protocol/random.ts";

/** Something that can go on for as long as one likes. */
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

/** For those who don't look at it. */
export const silent: Report = { count() {}, note() {} };
