import type { Engine } from "../engine/engine.ts";
import { type Backend, BackendError } from "../queues/backend.ts";
import type { QueueSummary } from "../queues/summary.ts";
import { type Events, noteTallies } from "./events.ts";
import { newRates, type Rates, recordRate } from "./rates.ts";
import { beginSlice, isSliceOver, nextSlice, type SliceScheduler } from "./time_slice.ts";

/**
 * When, in milliseconds of the monotonic clock; how many messages there were; how many had ever been set, and how many of those were
 * gone for good.
 */
export type Point = [at: number, messages: number, sets: number, gets: number];

/** Milliseconds from one point to the next, and how many points are kept, of each span of time. */
const SPANS = {
  minutes: { intervalMs: 2000, maxPoints: 150 },
  hour: { intervalMs: 60_000, maxPoints: 60 },
  day: { intervalMs: 900_000, maxPoints: 96 },
} as const;

export type Span = keyof typeof SPANS;

export const spans = Object.keys(SPANS) as readonly Span[];

/** The points of each span, oldest first. */
export type TimeSeries = Record<Span, Point[]>;

/** The course of all queues together, of single queues by their ids, and the present rates of all. */
export interface History {
  all: TimeSeries;
  queues: Map<number, TimeSeries>;
  rates: Rates;
  /** When the last point was begun, in milliseconds of the monotonic clock. */
  recordedAt: number;
}

/** Milliseconds from one look at the queues to the next. A timer may be late, and the next one early, by half of it. */
export const INTERVAL_MS = SPANS.minutes.intervalMs;
/** So many queues have a series from the start; that of any other begins when it is first looked at. */
const MAX_QUEUES = 500;

export function newHistory(): History {
  return { all: newTimeSeries(), queues: new Map(), rates: newRates(), recordedAt: 0 };
}

/** Adds a point for the present moment to each series, and forgets queues that are gone. What their tallies tell are events. */
export async function recordHistory(
  history: History,
  events: Events,
  { backend, runtime }: Engine,
  slices: SliceScheduler,
): Promise<void> {
  const slice = beginSlice(slices);
  const missing = new Set(history.queues.keys());
  const now = runtime.monotonic();
  const total: Point = [now, 0, 0, 0];
  const date = runtime.calendar();
  const seconds = (now - history.recordedAt) / 1000;
  history.recordedAt = now;
  for await (const portion of backend.summaries()) {
    for (const summary of portion) {
      const { id, messages, sets, gets } = summary;
      total[1] += messages;
      total[2] += sets;
      total[3] += gets;
      missing.delete(id);
      recordRate(history.rates, summary, seconds);
      noteTallies(events, date, summary);
      if (summary.arrived === undefined) await readArrival(backend, summary);
      if (history.queues.size < MAX_QUEUES) seriesOf(history, summary);
      const series = history.queues.get(id);
      if (series !== undefined) addPoint(series, [runtime.monotonic(), messages, sets, gets]);
      if (isSliceOver(slice)) await nextSlice(slice);
    }
  }
  for (const id of missing) history.queues.delete(id);
  addPoint(history.all, total);
}

/** Has the backend read since when the oldest message is there, so that it knows when it is asked for all queues. */
async function readArrival(backend: Backend, { name }: QueueSummary): Promise<void> {
  try {
    await backend.oldestArrival(name);
  } catch (error) {
    // A request for this queue tells it.
    if (!(error instanceof BackendError)) throw error;
  }
}

/** The course of a queue. A queue without a series gets one, in place of the oldest one where there are too many. */
export function seriesOf({ queues }: History, { id }: QueueSummary): TimeSeries {
  const known = queues.get(id);
  if (known !== undefined) return known;
  const [oldest] = queues.keys();
  if (queues.size >= MAX_QUEUES && oldest !== undefined) queues.delete(oldest);
  const series = newTimeSeries();
  queues.set(id, series);
  return series;
}

export function newTimeSeries(): TimeSeries {
  return { minutes: [], hour: [], day: [] };
}

/** Adds the point to each span whose last point is an interval old. */
export function addPoint(series: TimeSeries, point: Point): void {
  for (const span of spans) {
    const { intervalMs, maxPoints } = SPANS[span];
    const points = series[span];
    const last = points.at(-1);
    if (last !== undefined && point[0] - last[0] < intervalMs - INTERVAL_MS / 2) continue;
    points.push(point);
    if (points.length > maxPoints) points.shift();
  }
}
