import { type Contender, fresh, MODE_TITLES, ours, type Product } from "../../contender.ts";
import { count, markdown, megabytes, short, shortBytes } from "../../format.ts";
import { BASE, type Measurement, type Operation, OPERATIONS } from "../../job.ts";
import { rate } from "../../measurement.ts";
import { type Mode, MODES } from "../../options.ts";
import { type Axis, lineChart, type Series } from "../chart.ts";
import type { Chart, Section } from "../section.ts";
import { run, type Setting } from "../setting.ts";

const DEPTHS = [1, 16];

/** One measurement on an axis. */
type Point = { name: string; x: number; operation: Operation; result: Measurement | null };

/** Rates over one axis, the rest being the base. */
type Sweep = { title: string; file: string; points: Point[]; chart: string; axis: Axis };

const RATE: Axis = { title: "operations a second", log: false, format: short };
const CLIENTS: Axis = { title: "clients", log: true, format: String };
const BYTES: Axis = { title: "bytes in a body", log: true, format: shortBytes };

/** How fast, by clients, by commands at a time, by size, and over a Unix socket. */
export async function flood(setting: Setting): Promise<Section> {
  const sweeps: Sweep[] = [];
  for (const depth of DEPTHS) {
    for (const mode of MODES) sweeps.push(await overClients(setting, mode, depth));
  }
  sweeps.push(await overSizes(setting));
  return {
    title: "1. Flood",
    text: [
      "Operations a second: one axis at a time, the rest as in the base: 50 clients, 1 command at a time, bodies of " +
        "100 bytes, TCP. Single runs, on a fresh server each. A get of beanstalkd is a reserve and a delete, so two " +
        "trips; one of Redis is an LPOP, a set an RPUSH; it does not rewrite its file meanwhile. memcached has one key, which is set and got: no queue, no disk.",
      ...sweeps.flatMap(({ title, points, axis }) => [`### ${title}`, table(points, axis)]),
      "### Over a Unix socket",
      await overSocket(setting),
      mostMemory(sweeps.flatMap(({ points }) => points)),
    ],
    charts: sweeps.map(chartOf),
    goals: [],
  };
}

async function overClients(setting: Setting, mode: Mode, depth: number): Promise<Sweep> {
  const { connections, peerConnections } = setting.amounts;
  const points = await sweep(setting, fresh(ours(mode)), connections, OPERATIONS, (clients) => ({
    connections: clients,
    depth,
  }));
  for (const peer of peersOf(setting, mode)) {
    const theirs = await sweep(setting, peer, peerConnections, ["set", "get"], (clients) => ({
      connections: clients,
      depth,
    }));
    points.push(...theirs);
  }
  const kind = mode === "durable" ? "Durable" : "Not synced (`-N`)";
  const title = `${kind}, ${depth} command${depth === 1 ? "" : "s"} at a time`;
  return {
    title,
    file: `flood-${mode}-${depth}`,
    points,
    chart: title.replaceAll("`", ""),
    axis: CLIENTS,
  };
}

function peersOf({ peers }: Setting, mode: Mode): Contender[] {
  const products: (Product | null)[] =
    mode === "durable"
      ? [peers.redisAlways, peers.beanstalkdAlways]
      : [peers.redisNo, peers.beanstalkdNever, peers.memcached];
  return [...products.filter((one) => one !== null).map(fresh), ...peers.others];
}

async function overSizes(setting: Setting): Promise<Sweep> {
  const points: Point[] = [];
  for (const mode of MODES) {
    const { sizes } = setting.amounts;
    points.push(
      ...(await sweep(setting, fresh(ours(mode)), sizes, OPERATIONS, (size) => ({ size }))),
    );
  }
  return {
    title: "By size of the body",
    file: "flood-sizes",
    points,
    chart: "50 clients",
    axis: BYTES,
  };
}

async function sweep(
  setting: Setting,
  contender: Contender,
  axis: readonly number[],
  operations: readonly Operation[],
  place: (x: number) => Partial<typeof BASE>,
): Promise<Point[]> {
  const points: Point[] = [];
  for (const operation of operations) {
    for (const x of axis) {
      const task = { ...BASE, ...place(x), operation, seconds: setting.amounts.seconds };
      points.push({
        name: contender.name,
        x,
        operation,
        result: await run(setting, contender, task),
      });
    }
  }
  return points;
}

/** A line for each name and operation, a column for each place on the axis. */
function table(points: Point[], { title, format }: Axis): string {
  const axis = [...new Set(points.map(({ x }) => x))];
  const rows = linesOf(points).map(([first, ...rest]) => {
    const line = [first, ...rest];
    const at = (x: number): Point | undefined => line.find((point) => point.x === x);
    return [first.name, first.operation, ...axis.map((x) => rateOf(at(x)))];
  });
  return markdown(["", title, ...axis.map(format)], rows, 2);
}

function rateOf(point: Point | undefined): string {
  return point?.result ? count(rate(point.result)) : "";
}

function linesOf(points: Point[]): [Point, ...Point[]][] {
  const lines = Map.groupBy(points, ({ name, operation }) => `${name} ${operation}`);
  return [...lines.values()] as [Point, ...Point[]][];
}

function chartOf({ file, points, chart, axis }: Sweep): Chart {
  const series = linesOf(points)
    .filter(([{ operation }]) => operation !== "mixed")
    .map((line): Series => {
      const [{ name, operation }] = line;
      const places = line.flatMap(({ x, result }): [number, number][] =>
        result === null ? [] : [[x, rate(result)]],
      );
      return { name: `${operation}, ${name}`, points: places, dashed: operation === "get" };
    });
  const y = { ...RATE, log: axis === BYTES };
  return { file, svg: lineChart({ title: `Flood: ${chart}`, x: axis, y, series }) };
}

async function overSocket(setting: Setting): Promise<string> {
  const rows: string[][] = [];
  for (const mode of MODES) {
    for (const depth of DEPTHS) {
      const rates: string[] = [];
      for (const operation of OPERATIONS) {
        const task = { ...BASE, depth, operation, seconds: setting.amounts.seconds };
        const result = await run(setting, fresh(ours(mode, [], "unix")), task);
        rates.push(result === null ? "-" : count(rate(result)));
      }
      rows.push([MODE_TITLES[mode], String(depth), ...rates]);
    }
  }
  return markdown(["", "deep", ...OPERATIONS], rows);
}

/** How much the server had at the end of a run, where that was the most. */
function mostMemory(points: Point[]): string {
  const { name } = ours("durable");
  const [most] = points
    .filter((point) => point.name.startsWith(name))
    .map(({ result }) => result?.serverMemory ?? 0)
    .toSorted((a, b) => b - a);
  return `Resident memory of memcacheq at the end of a run: at most ${megabytes(most ?? null)} MB.`;
}
