import type { Engine } from "../engine/engine.ts";
import type { Traffic } from "../engine/traffic.ts";
import { addPoint, INTERVAL_MS, newTimeSeries, type Span, type TimeSeries } from "./history.ts";

/**
 * The course of what each client has set and got. In its points the place of the messages is that of the connections.
 */
export type ClientHistory = Map<Traffic, TimeSeries>;

/** A client, and its messages within a span of time. */
export interface ClientTraffic {
  client: string;
  connections: number;
  sets: number;
  gets: number;
  /** When, in milliseconds of the monotonic clock; messages set, and messages got, by then. */
  points: [at: number, sets: number, gets: number][];
}

/** So many clients are listed, and of each about so many points. */
const MAX_LISTED = 50;
const MAX_POINTS = 30;

/** Adds a point to the series of each client, and forgets clients whose record is gone. */
export function recordClients(history: ClientHistory, { traffic, runtime }: Engine): void {
  const now = runtime.monotonic();
  const present = new Set([...traffic.records.values(), traffic.others]);
  for (const record of history.keys()) if (!present.has(record)) history.delete(record);
  for (const record of present) {
    let series = history.get(record);
    if (series === undefined) {
      series = newTimeSeries();
      addPoint(series, [now - INTERVAL_MS, 0, 0, 0]);
      history.set(record, series);
    }
    addPoint(series, [now, record.connections, record.sets, record.gets]);
  }
}

/** The clients that are connected, or had messages within the span: first those with the most. */
export function listTraffic(history: ClientHistory, now: number, span: Span): ClientTraffic[] {
  const list: ClientTraffic[] = [];
  for (const [{ client, connections, sets, gets }, series] of history) {
    const points: ClientTraffic["points"] = series[span].map(([at, , sets, gets]) => [
      at,
      sets,
      gets,
    ]);
    points.push([now, sets, gets]);
    const [, setsBefore, getsBefore] = points[0] ?? [0, 0, 0];
    const within = { sets: sets - setsBefore, gets: gets - getsBefore };
    if (connections + within.sets + within.gets === 0) continue;
    list.push({ client, connections, ...within, points });
  }
  const first = list.sort((a, b) => b.sets + b.gets - a.sets - a.gets).slice(0, MAX_LISTED);
  return first.map((each) => ({ ...each, points: thinned(each.points) }));
}

/** Every so many points, from the last one back, so that about {@link MAX_POINTS} are left. */
function thinned<T>(points: readonly T[]): T[] {
  const step = Math.ceil(points.length / MAX_POINTS);
  return points.filter((_, i) => (points.length - 1 - i) % step === 0);
}
