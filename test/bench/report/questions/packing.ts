import { attached, type Contender, MODE_TITLES, ours } from "../../contender.ts";
import { makeFolder, removeFolder } from "../../folder.ts";
import { count, markdown, MEGABYTE, megabytes, ratio, short } from "../../format.ts";
import { BASE, type Measurement, type Operation } from "../../job.ts";
import type { Mode } from "../../options.ts";
import { type Server, startFresh, startIn } from "../../server.ts";
import { memoryOf, peakMemoryOf } from "../../usage.ts";
import { drain, fill } from "../backlog.ts";
import { type Axis, lineChart } from "../chart.ts";
import { settled, total } from "../data.ts";
import type { Chart, Goal, Section } from "../section.ts";
import { medianRate, quotient, run, type Setting } from "../setting.ts";

type Rates = { set: number | null; get: number | null };

/** What was seen at one backlog; memory and disk in bytes. */
type Level = {
  mode: Mode;
  backlog: number;
  deep: Rates;
  empty: Rates;
  /** The most while it was measured, and since the server's start. */
  memory: number;
  peak: number | null;
  disk: number;
};

/** What is left when all is taken; bytes. */
type Rest = { disk: number; memory: number | null };

const REST_MILLISECONDS = 1000;
const WATCH_MILLISECONDS = 50;
const BACKLOG: Axis = { title: "messages queued", log: true, format: short };

/** Rates, memory and disk by how much is queued. */
export async function packing(setting: Setting): Promise<Section> {
  const folder = makeFolder();
  try {
    const { backlogs } = setting.amounts;
    const deepest = backlogs.at(-1) ?? backlogs[0];
    const idle = await idleMemory();
    const levels = await climb(setting, folder, "durable", 0, backlogs);
    levels.push(...(await climb(setting, folder, "nosync", deepest, [deepest])));
    return sectionOf(setting, idle, levels, await emptied(setting, folder, deepest));
  } finally {
    removeFolder(folder);
  }
}

async function idleMemory(): Promise<number | null> {
  const server = await startFresh(ours("durable").kind);
  await Bun.sleep(REST_MILLISECONDS);
  const memory = memoryOf(server.pid);
  await server.stop();
  return memory;
}

/** Fills the server on `folder` from one backlog to the next, beside one whose queue is empty. */
async function climb(
  setting: Setting,
  folder: string,
  mode: Mode,
  from: number,
  backlogs: readonly number[],
): Promise<Level[]> {
  const { kind, name } = ours(mode);
  const server = await startIn(folder, kind);
  const beside = await startFresh(kind);
  const deep = attached({ name: `${name}, deep`, kind }, server);
  const empty = attached({ name: `${name}, empty`, kind }, beside);
  const levels: Level[] = [];
  try {
    let queued = from;
    for (const backlog of backlogs) {
      await fill(setting, deep, backlog - queued);
      queued = backlog;
      const memory = watchMemory(server);
      const rates = await compare(setting, deep, empty, backlog === backlogs.at(-1));
      const used = { memory: memory(), peak: peakMemoryOf(server.pid) };
      levels.push({ mode, backlog, ...rates, ...used, disk: total(await settled(folder)) });
    }
  } finally {
    await server.end("SIGTERM");
    await beside.stop();
  }
  return levels;
}

/** Looks now and then how much memory the server has, until the function that it returns is called. */
function watchMemory({ pid }: Server): () => number {
  let most = 0;
  const look = (): void => {
    most = Math.max(most, memoryOf(pid) ?? 0);
  };
  const timer = setInterval(look, WATCH_MILLISECONDS);
  return () => {
    clearInterval(timer);
    look();
    return most;
  };
}

/** Sets and then gets as many, on each in turn; what comes first is not counted, it warms them up. */
async function compare(
  setting: Setting,
  deep: Contender,
  empty: Contender,
  often: boolean,
): Promise<{ deep: Rates; empty: Rates }> {
  const rounds = often ? setting.amounts.rounds : Math.ceil(setting.amounts.rounds / 2);
  const results = { deep: noResults(), empty: noResults() };
  const both = [["deep", deep] as const, ["empty", empty] as const];
  for (let round = 0; round <= rounds; round++) {
    for (const [key, contender] of both) {
      for (const operation of ["set", "get"] as const) {
        const result = await run(setting, contender, taskOf(setting, operation));
        if (result !== null && round > 0) results[key][operation].push(result);
      }
    }
  }
  return { deep: ratesOf(results.deep), empty: ratesOf(results.empty) };
}

type Results = Record<"set" | "get", Measurement[]>;

const noResults = (): Results => ({ set: [], get: [] });

const ratesOf = ({ set, get }: Results): Rates => ({ set: medianRate(set), get: medianRate(get) });

function taskOf({ amounts }: Setting, operation: Operation): typeof BASE {
  return { ...BASE, operation, ops: amounts.packed, prepare: false };
}

async function emptied(setting: Setting, folder: string, backlog: number): Promise<Rest> {
  const product = ours("nosync");
  const server = await startIn(folder, product.kind);
  try {
    await drain(setting, attached(product, server), backlog);
    const disk = total(await settled(folder));
    return { disk, memory: memoryOf(server.pid) };
  } finally {
    await server.stop();
  }
}

function sectionOf(
  { amounts: { packed } }: Setting,
  idle: number | null,
  levels: Level[],
  rest: Rest,
): Section {
  const durable = levels.filter(({ mode }) => mode === "durable");
  const each = durable.map(({ disk, backlog }) => disk / backlog).at(-1) ?? NaN;
  return {
    title: "2. and 3. Packing, and resident memory",
    text: [
      `At each backlog ${count(packed)} sets and then as many gets from 50 clients, medians; between them ` +
        "the same on a second server whose queue is empty but for these. Pages and messages have 64 MB (`-m 64`); " +
        "RSS is the most that was seen meanwhile, the peak is since the server's start, with the pipelined filling.",
      table(levels),
      `Idle, a second after its start, the server has ${megabytes(idle)} MB of memory. When all messages are taken ` +
        `(with \`-N\`) it has ${megabytes(rest.memory)} MB, and ${megabytes(rest.disk)} MB on disk; ` +
        `full, it had ${count(each)} bytes there for each message.`,
    ],
    charts: [rateChart(durable), memoryChart(durable)],
    goals: goalsOf(idle, levels),
  };
}

function table(levels: Level[]): string {
  const head = ["", "queued", "set/s", "empty", "ratio", "get/s", "empty", "ratio"];
  return markdown(
    [...head, "RSS, MB", "peak, MB", "disk, MB"],
    levels.map(({ mode, backlog, deep, empty, memory, peak, disk }) => [
      MODE_TITLES[mode],
      count(backlog),
      ...[count(deep.set), count(empty.set), ratio(quotient(deep.set, empty.set))],
      ...[count(deep.get), count(empty.get), ratio(quotient(deep.get, empty.get))],
      ...[memory, peak, disk].map(megabytes),
    ]),
  );
}

function goalsOf(idle: number | null, levels: Level[]): Goal[] {
  const deepest = Math.max(...levels.map(({ backlog }) => backlog));
  const at = short(deepest);
  const rates = levels.filter(({ backlog }) => backlog === deepest);
  const memory = Math.max(...rates.map((level) => level.memory));
  const ofMemory = (what: string, limit: number, bytes: number | null): Goal => {
    const measured = bytes === null ? null : bytes / MEGABYTE;
    return { what, limit, is: "most", measured, unit: " MB" };
  };
  return [
    ...rates.flatMap(({ mode, deep, empty }) =>
      (["set", "get"] as const).map((operation): Goal => {
        const what = `${MODE_TITLES[mode]} ${operation}: ${at} queued against an empty queue`;
        const measured = quotient(deep[operation], empty[operation]);
        return { what, limit: 0.85, is: "least", measured, unit: "" };
      }),
    ),
    ofMemory("RSS idle", 45, idle),
    ofMemory(`RSS with \`-m 64\` at ${at} queued`, 160, memory),
  ];
}

function rateChart(levels: Level[]): Chart {
  const series = (["set", "get"] as const).flatMap((operation) =>
    (["deep", "empty"] as const).map((which) => ({
      name: `${operation}, ${which === "deep" ? "so deep" : "empty queue"}`,
      points: levels.map((level): [number, number] => [
        level.backlog,
        level[which][operation] ?? NaN,
      ]),
      dashed: which === "empty",
    })),
  );
  const y: Axis = { title: "operations a second", log: false, format: short };
  return {
    file: "packing",
    svg: lineChart({ title: "Packing: durable, 50 clients", x: BACKLOG, y, series }),
  };
}

function memoryChart(levels: Level[]): Chart {
  const of = (name: string, bytes: (level: Level) => number | null) => ({
    name,
    points: levels.map((level): [number, number] => [
      level.backlog,
      (bytes(level) ?? NaN) / MEGABYTE,
    ]),
  });
  const series = [of("RSS", ({ memory }) => memory), of("peak", ({ peak }) => peak)];
  const y: Axis = { title: "MB", log: false, format: String };
  return {
    file: "memory",
    svg: lineChart({ title: "Resident memory, -m 64", x: BACKLOG, y, series }),
  };
}
