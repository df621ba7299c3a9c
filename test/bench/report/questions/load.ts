import { answerer } from "../../contender.ts";
import { count, markdown, NOT_KNOWN } from "../../format.ts";
import { BASE, type Measurement } from "../../job.ts";
import { rate } from "../../measurement.ts";
import type { Section } from "../section.ts";
import { run, type Setting } from "../setting.ts";

const CASES = [
  { connections: 1, depth: 1 },
  { connections: 50, depth: 1 },
  { connections: 50, depth: 16 },
  { connections: 200, depth: 1 },
  { connections: 1000, depth: 1 },
];

/** What the load generator can do at most. */
export async function load(setting: Setting): Promise<Section> {
  const rows: string[][] = [];
  for (const place of CASES) {
    const task = { ...BASE, ...place, seconds: setting.amounts.seconds };
    const result = await run(setting, answerer(task.size), task);
    rows.push([String(place.connections), String(place.depth), ...cells(result)]);
  }
  return {
    title: "The load generator",
    text: [
      "Sets against a server that only answers `STORED`, whatever it is sent. That server is Bun too, in a process " +
        "of its own, like the load generator. At 100 % of a core the load generator is the limit, and nobody can be " +
        "measured beyond that rate; below, the turns between the two processes are.",
      markdown(
        ["clients", "deep", "answers a second", "p99, µs", "load generator, % of a core"],
        rows,
        0,
      ),
    ],
    charts: [],
    goals: [],
  };
}

function cells(result: Measurement | null): string[] {
  if (result === null) return [NOT_KNOWN, NOT_KNOWN, NOT_KNOWN];
  const share = result.loadCpu / result.seconds / 10_000;
  return [count(rate(result)), count(result.p99), count(share)];
}
