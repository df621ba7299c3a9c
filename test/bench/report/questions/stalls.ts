import { closeSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";

import { attached, type Contender, ours } from "../../contender.ts";
import { makeFolder, removeFolder } from "../../folder.ts";
import { count, markdown, megabytes, milliseconds } from "../../format.ts";
import { BASE, type Measurement, SLOT_SECONDS } from "../../job.ts";
import { rate } from "../../measurement.ts";
import { startIn } from "../../server.ts";
import { fill } from "../backlog.ts";
import { lineChart } from "../chart.ts";
import type { Chart, Goal, Section } from "../section.ts";
import { run, type Setting } from "../setting.ts";

const WATCH_MILLISECONDS = 50;
const FILE = "memcacheq.db";
/** Where SQLite's log says how often it was begun anew: 32 bits, big endian. */
const LOG_SEQUENCE_AT = 12;

/** What happened on disk meanwhile: checkpoints after which the log began anew, and shrinkings of the file. */
type Events = { checkpoints: number; shrinkings: number; largest: number; last: number };

type Result = { pace: number; backlog: number; measured: Measurement; events: Events };

/** A steady load across checkpoints and the giving back of space. */
export async function stalls(setting: Setting): Promise<Section> {
  const { stallSeconds, stallExtent } = setting.amounts;
  const flags = ["-C", "10", "-E", String(stallExtent)];
  const folder = makeFolder();
  const product = ours("durable", flags);
  const server = await startIn(folder, product.kind);
  try {
    const result = await measureSteady(setting, attached(product, server), folder);
    return sectionOf(result, stallSeconds, flags);
  } finally {
    await server.stop();
    removeFolder(folder);
  }
}

async function measureSteady(
  setting: Setting,
  contender: Contender,
  folder: string,
): Promise<Result | null> {
  const { seconds, stallSeconds } = setting.amounts;
  const fastest = await run(setting, contender, {
    ...BASE,
    operation: "mixed",
    seconds: 2 * seconds,
  });
  if (fastest === null) return null;
  const pace = Math.floor(rate(fastest) / 2);
  // Of three operations two are gets, so each three take one away.
  const backlog = Math.ceil((pace * stallSeconds) / 3) + 10 * BASE.connections;
  await fill(setting, contender, backlog);
  const watch = watchDisk(join(folder, "data", FILE));
  const task = {
    ...BASE,
    operation: "drain",
    seconds: stallSeconds,
    pace,
    prepare: false,
  } as const;
  const measured = await run(setting, contender, task);
  const events = watch();
  return measured === null ? null : { pace, backlog, measured, events };
}

/** Looks at the files now and then until the function that it returns is called. */
function watchDisk(file: string): () => Events {
  const events: Events = { checkpoints: 0, shrinkings: 0, largest: 0, last: 0 };
  let sequence = sequenceOf(file);
  const look = (): void => {
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size < events.last) events.shrinkings++;
    events.last = size;
    events.largest = Math.max(events.largest, size);
    const now = sequenceOf(file);
    if (now > sequence) events.checkpoints += now - sequence;
    sequence = now;
  };
  look();
  const timer = setInterval(look, WATCH_MILLISECONDS);
  return () => {
    clearInterval(timer);
    look();
    return events;
  };
}

function sequenceOf(file: string): number {
  const bytes = Buffer.alloc(4);
  try {
    const log = openSync(`${file}-wal`, "r");
    try {
      readSync(log, bytes, 0, bytes.length, LOG_SEQUENCE_AT);
    } finally {
      closeSync(log);
    }
  } catch {
    // No log, no checkpoint.
  }
  return bytes.readUInt32BE();
}

function sectionOf(result: Result | null, seconds: number, flags: string[]): Section {
  const measured = result?.measured ?? null;
  return {
    title: "6. Stalls",
    text: [
      `${seconds} seconds of a steady load, durable, with \`${flags.join(" ")}\`: operations become due at half the ` +
        "rate that 50 clients reach when nothing is held back, evenly, whether the server keeps up or not, and go to " +
        "whichever of 50 connections is free. A latency counts from when the operation was due, so one that had to " +
        "wait for a connection counts in full. Two of three are gets, so that the queue shrinks from its backlog to " +
        "almost nothing, and the file with it.",
      ...(result === null ? ["Not measured."] : tables(result)),
    ],
    charts: measured === null ? [] : [timelineOf(measured)],
    goals: [
      goal("p99.9 in the stall test, durable", 5, measured?.p999 ?? null),
      goal("longest in the stall test, durable", 40, measured?.longest ?? null),
    ],
  };
}

function tables({ pace, backlog, measured, events }: Result): string[] {
  const { p50, p99, p999, longest, ownDelay } = measured;
  return [
    markdown(
      [
        "ops/s due",
        "ops/s done",
        "p50, ms",
        "p99, ms",
        "p99.9, ms",
        "longest, ms",
        "load generator late, at most, ms",
      ],
      [
        [
          count(pace),
          count(rate(measured)),
          ...[p50, p99, p999, longest, ownDelay].map(milliseconds),
        ],
      ],
      0,
    ),
    `The log began anew ${events.checkpoints} times, after as many checkpoints. With ${count(backlog)} messages at ` +
      `the start the file had ${megabytes(events.largest)} MB; it was made shorter ${events.shrinkings} times, to ` +
      `${megabytes(events.last)} MB. The load generator looks at the clock every millisecond and whenever an answer ` +
      "comes; how much later than that it was at most is in the last column, and part of the latencies.",
  ];
}

function goal(what: string, limit: number, microseconds: number | null): Goal {
  const measured = microseconds === null ? null : microseconds / 1000;
  return { what, limit, is: "most", measured, unit: " ms" };
}

function timelineOf({ timeline, p50 }: Measurement): Chart {
  const longest = timeline.map((time, i): [number, number] => [i * SLOT_SECONDS, time / 1000]);
  const end = timeline.length * SLOT_SECONDS;
  const series = [
    { name: `longest in each ${SLOT_SECONDS} s`, points: longest },
    {
      name: "p50 of all",
      points: [
        [0, p50 / 1000],
        [end, p50 / 1000],
      ] as [number, number][],
      dashed: true,
    },
  ];
  const x = { title: "seconds", log: false, format: String };
  const y = { title: "ms", log: false, format: String };
  return {
    file: "stalls",
    svg: lineChart({
      title: "Stalls: a steady load at half the highest rate, durable",
      x,
      y,
      series,
    }),
  };
}
