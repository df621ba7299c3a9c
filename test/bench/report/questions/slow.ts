import { join } from "node:path";

import { fresh, ours, type Product } from "../../contender.ts";
import { makeFolder } from "../../folder.ts";
import { count, markdown } from "../../format.ts";
import { BASE, type Measurement, type Operation } from "../../job.ts";
import { rate } from "../../measurement.ts";
import { barChart } from "../chart.ts";
import type { Section } from "../section.ts";
import { run, type Setting } from "../setting.ts";

const SOURCE = join(import.meta.dir, "slow_sync.c");
const COMPILERS = ["cc", "gcc", "clang"];
const DELAYS = [1000, 5000];
const PLACES = [
  { connections: 1, depth: 1 },
  { connections: 50, depth: 1 },
  { connections: 50, depth: 16 },
];
const OPERATIONS: Operation[] = ["set", "get"];
// One client that waits for each answer can't be faster than the disk, but for what is measured wrong.
const TOLERANCE = 1.1;

type Place = { connections: number; depth: number; operation: Operation; delay: number };

/** Each server's rates at one place, in the servers' order. */
type Row = Place & { rates: (number | null)[] };

/** Durable rates on a disk that takes longer to sync. */
export async function slow(setting: Setting): Promise<Section> {
  const library = compile();
  if ("failure" in library) {
    return {
      title: "Slow disk",
      text: [`Not measured: ${library.failure}.`],
      charts: [],
      goals: [],
    };
  }
  const { redisAlways, beanstalkdAlways } = setting.peers;
  const products = [ours("durable"), redisAlways, beanstalkdAlways].filter((one) => one !== null);
  const rows: Row[] = [];
  for (const place of placesOf()) {
    const rates: (number | null)[] = [];
    for (const product of products) rates.push(await rateOn(setting, product, library.path, place));
    rows.push({ ...place, rates });
  }
  return sectionOf(products, rows);
}

function placesOf(): Place[] {
  return DELAYS.flatMap((delay) =>
    PLACES.flatMap((place) => OPERATIONS.map((operation) => ({ ...place, operation, delay }))),
  );
}

/** Builds what makes syncing slow. */
function compile(): { path: string } | { failure: string } {
  const compiler = COMPILERS.map((name) => Bun.which(name)).find((found) => found !== null);
  if (compiler === undefined)
    return { failure: `there is no C compiler (${COMPILERS.join(", ")})` };
  const path = join(makeFolder(), "slow_sync.so");
  const made = Bun.spawnSync([compiler, "-O2", "-shared", "-fPIC", "-o", path, SOURCE, "-ldl"]);
  return made.success
    ? { path }
    : { failure: `${compiler} said: ${made.stderr.toString().trim()}` };
}

async function rateOn(
  setting: Setting,
  { name, kind }: Product,
  library: string,
  { delay, ...place }: Place,
): Promise<number | null> {
  const env = { LD_PRELOAD: library, SLOW_SYNC_MICROSECONDS: String(delay) };
  const slowed = fresh({ name: `${name}, +${delay} µs`, kind: { ...kind, env } });
  const result = await run(setting, slowed, {
    ...BASE,
    ...place,
    seconds: setting.amounts.seconds,
  });
  if (result !== null) refuseFast(setting, slowed.name, result, { ...place, delay });
  return result === null ? null : rate(result);
}

function refuseFast(setting: Setting, name: string, result: Measurement, place: Place): void {
  const possible = 1e6 / place.delay;
  if (place.connections > 1 || rate(result) <= possible * TOLERANCE) return;
  setting.faults.push(
    `${name}: more than ${possible} syncs a second, so the delay did not reach it`,
  );
}

function sectionOf(products: Product[], rows: Row[]): Section {
  const names = products.map(({ name }) => name);
  const bars = rows
    .filter(
      ({ connections, depth, operation }) => connections > 1 && depth === 1 && operation === "set",
    )
    .flatMap(({ delay, rates }) =>
      rates.map((value, i) => ({ name: `${names[i]}, +${delay / 1000} ms`, value: value ?? NaN })),
    );
  return {
    title: "Slow disk",
    text: [
      "Operations a second, durable, where each sync takes longer: a library that is loaded into the server delays " +
        "`fsync` and `fdatasync`, on top of what the disk takes. Single runs.",
      markdown(
        ["sync, ms longer", "clients", "deep", "", ...names],
        rows.map(({ delay, connections, depth, operation, rates }) => [
          ...[String(delay / 1000), String(connections), String(depth), operation],
          ...rates.map(count),
        ]),
        4,
      ),
    ],
    charts: [
      {
        file: "slow-disk",
        svg: barChart({
          title: "Slow disk: sets of 50 clients",
          unit: "a second",
          format: count,
          bars,
        }),
      },
    ],
    goals: [],
  };
}
