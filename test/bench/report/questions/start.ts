import { ask } from "../../ask.ts";
import { attached, ours } from "../../contender.ts";
import { makeFolder, removeFolder } from "../../folder.ts";
import { markdown, short } from "../../format.ts";
import { BASE, QUEUE } from "../../job.ts";
import { startIn } from "../../server.ts";
import { fill } from "../backlog.ts";
import { barChart } from "../chart.ts";
import type { Goal, Section } from "../section.ts";
import { median, run, type Setting } from "../setting.ts";

const FIRST = Buffer.from(`get ${QUEUE}/peek\r\n`);
const OPS_BEFORE_KILL = 200_000;

/** Milliseconds of each start. */
type Starts = { name: string; times: number[] };

/** From the program's start to its first answer. */
export async function start(setting: Setting): Promise<Section> {
  const folder = makeFolder();
  try {
    const empty = await emptyStarts(setting);
    await queue(setting, folder);
    const clean = await cleanStarts(setting, folder);
    const killed = await killedStarts(setting, folder);
    return sectionOf(setting, empty, clean, killed);
  } finally {
    removeFolder(folder);
  }
}

async function emptyStarts({ amounts }: Setting): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < amounts.rounds; round++) {
    const folder = makeFolder();
    times.push(await firstAnswer(folder));
    removeFolder(folder);
  }
  return times;
}

async function queue(setting: Setting, folder: string): Promise<void> {
  const product = ours("durable");
  const server = await startIn(folder, product.kind);
  await fill(setting, attached(product, server), setting.amounts.queued);
  await server.end("SIGTERM");
}

async function cleanStarts({ amounts }: Setting, folder: string): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < amounts.rounds; round++) times.push(await firstAnswer(folder));
  return times;
}

/** Each time it is killed after some work, so that its log is not in the database yet. */
async function killedStarts(setting: Setting, folder: string): Promise<number[]> {
  const times: number[] = [];
  const work = {
    ...BASE,
    operation: "mixed",
    depth: 16,
    ops: OPS_BEFORE_KILL,
    prepare: false,
  } as const;
  const product = ours("durable");
  for (let round = 0; round < setting.amounts.rounds; round++) {
    const server = await startIn(folder, product.kind);
    await run(setting, attached(product, server), work);
    await server.end("SIGKILL");
    times.push(await firstAnswer(folder));
  }
  return times;
}

/** Starts the server there, asks for its oldest message until the answer is there, and stops it cleanly. */
async function firstAnswer(folder: string): Promise<number> {
  const { kind } = ours("durable");
  const startedAt = Bun.nanoseconds();
  const server = await startIn(folder, kind);
  await ask(server.address, FIRST, "END\r\n");
  const time = (Bun.nanoseconds() - startedAt) / 1e6;
  await server.end("SIGTERM");
  return time;
}

function sectionOf({ amounts }: Setting, ...times: [number[], number[], number[]]): Section {
  const queued = short(amounts.queued);
  const [empty, clean, killed] = times;
  const starts: Starts[] = [
    { name: "empty", times: empty },
    { name: `${queued} queued, cleanly stopped`, times: clean },
    { name: `${queued} queued, after SIGKILL`, times: killed },
  ];
  const goal = (what: string, limit: number, of: number[]): Goal => {
    return { what, limit, is: "most", measured: median(of), unit: " ms" };
  };
  return {
    title: "7. Start",
    text: [
      "Milliseconds from the start of the program to the end of its first answer, a `get` that peeks at the oldest " +
        "message; whether it listens is tried every millisecond. The files are in the system's cache.",
      markdown(
        ["", "median", "least", "most"],
        starts.map(({ name, times: of }) => [
          name,
          ...[median(of) ?? NaN, Math.min(...of), Math.max(...of)].map((time) => time.toFixed(1)),
        ]),
      ),
    ],
    charts: [
      {
        file: "start",
        svg: barChart({
          title: "Start: to the first answer",
          unit: "ms",
          format: (value) => value.toFixed(1),
          bars: starts.map(({ name, times: of }) => ({ name, value: median(of) ?? NaN })),
        }),
      },
    ],
    goals: [
      goal("first answer: empty", 60, empty),
      goal(`first answer: ${queued} messages after SIGKILL`, 300, killed),
    ],
  };
}
