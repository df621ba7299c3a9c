import { fresh, MODE_TITLES, ours } from "../../contender.ts";
import { count, markdown, milliseconds, ratio } from "../../format.ts";
import { BASE, type Measurement, type Task } from "../../job.ts";
import { type Mode, MODES } from "../../options.ts";
import { barChart } from "../chart.ts";
import type { Section } from "../section.ts";
import { median, medianRate, quotient, run, type Setting } from "../setting.ts";

/** Runs of 50 clients without the greedy one, and beside it. */
type Pair = { mode: Mode; alone: Measurement[]; beside: Measurement[] };

type Time = "p50" | "p99" | "longest";

/** What one client does to the others, and how alike equal ones fare. */
export async function fairness(setting: Setting): Promise<Section> {
  const pairs: Pair[] = [];
  for (const mode of MODES) pairs.push(await pairOf(setting, mode));
  const [durable] = pairs;
  return {
    title: "5. Fairness",
    text: [
      "50 clients that set and get in turn and wait for each answer, alone and beside one that sends sets and gets " +
        "of another queue for as long as its socket takes them, and never waits. Medians of the runs' figures; " +
        "times in ms.",
      markdown(
        [
          "",
          "clients' ops/s",
          "p50",
          "p99",
          "longest",
          "the greedy one's ops/s",
          "p99 against without",
        ],
        pairs.flatMap(rowsOf),
      ),
      "Operations of one of the 50 clients, when they are alone, as part of the clients' mean:",
      markdown(
        ["", "least", "most", "standard deviation"],
        pairs.map(({ mode, alone }) => [
          MODE_TITLES[mode],
          ...(["least", "most", "deviation"] as const).map((key) =>
            ratio(median(alone.map(({ spread }) => spread[key]))),
          ),
        ]),
      ),
    ],
    charts: [
      {
        file: "fairness",
        svg: barChart({
          title: "Fairness: p99 of 50 clients",
          unit: "ms",
          format: (value) => value.toFixed(2),
          bars: pairs.flatMap(({ mode, alone, beside }) => [
            { name: `${MODE_TITLES[mode]}, alone`, value: (timeOf(alone, "p99") ?? NaN) / 1000 },
            {
              name: `${MODE_TITLES[mode]}, beside a greedy client`,
              value: (timeOf(beside, "p99") ?? NaN) / 1000,
            },
          ]),
        }),
      },
    ],
    goals: [
      {
        what: "1 greedy client: ordinary clients' p99 against without it",
        limit: 2,
        is: "most",
        measured:
          durable === undefined
            ? null
            : quotient(timeOf(durable.beside, "p99"), timeOf(durable.alone, "p99")),
        unit: " times",
      },
    ],
  };
}

async function pairOf(setting: Setting, mode: Mode): Promise<Pair> {
  const pair: Pair = { mode, alone: [], beside: [] };
  const contender = fresh(ours(mode));
  const { rounds, seconds } = setting.amounts;
  const alone: Task = { ...BASE, operation: "mixed", seconds: 2 * seconds };
  for (let round = 0; round < rounds; round++) {
    const without = await run(setting, contender, alone);
    const beside = await run(setting, contender, { ...alone, greedy: true });
    if (without !== null) pair.alone.push(without);
    if (beside !== null) pair.beside.push(beside);
  }
  return pair;
}

const timeOf = (results: Measurement[], time: Time): number | null =>
  median(results.map((result) => result[time]));

function rowsOf({ mode, alone, beside }: Pair): string[][] {
  const row = (name: string, results: Measurement[]): string[] => [
    `${MODE_TITLES[mode]}, ${name}`,
    count(medianRate(results)),
    ...(["p50", "p99", "longest"] as const).map((time) => milliseconds(timeOf(results, time))),
  ];
  const greedy = median(beside.map(({ greedyOps, seconds }) => greedyOps / seconds));
  return [
    [...row("alone", alone), "", ""],
    [
      ...row("beside it", beside),
      count(greedy),
      ratio(quotient(timeOf(beside, "p99"), timeOf(alone, "p99"))),
    ],
  ];
}
