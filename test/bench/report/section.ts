import { count, markdown, ratio } from "../format.ts";

/** What a figure must be, and what it is; null when it could not be measured. */
export type Goal = {
  what: string;
  limit: number;
  /** Whether the limit is the least or the most that it may be. */
  is: "least" | "most";
  measured: number | null;
  /** What the figures are counted in; empty for a ratio. */
  unit: string;
};

/** `file` is its name without a folder. */
export type Chart = { file: string; svg: string };

/** The answer to one question. */
export type Section = {
  title: string;
  /** Paragraphs and tables, in Markdown. */
  text: string[];
  charts: Chart[];
  goals: Goal[];
};

export function goalTable(goals: Goal[]): string {
  return markdown(
    ["what", "wanted", "measured", ""],
    goals.map(({ what, limit, is, measured, unit }) => [
      what,
      `${is === "least" ? "≥" : "≤"} ${limit}${unit}`,
      measured === null ? "-" : `${figure(measured, unit)}${unit}`,
      verdict(measured, limit, is),
    ]),
  );
}

const figure = (value: number, unit: string): string =>
  unit === "" || value < 10 ? ratio(value) : count(value);

function verdict(measured: number | null, limit: number, is: Goal["is"]): string {
  if (measured === null) return "not measured";
  return (is === "least" ? measured >= limit : measured <= limit) ? "ok" : "missed";
}
