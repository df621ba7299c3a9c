/** The points that charts are made from. */
import { expect, test } from "bun:test";

import { addPoint, newTimeSeries, type Point } from "../../src/http/history.ts";

const SECOND = 1000;
const HOUR = 3600 * SECOND;

/** A point each two seconds, as the timer gives it: a little late or early. */
function recorded(until: number) {
  const series = newTimeSeries();
  for (let i = 0; i * 2 * SECOND <= until; i++) {
    const point: Point = [i * 2 * SECOND + ((i * 37) % 300), i, i, 0];
    addPoint(series, point);
  }
  return series;
}

/** How far the points reach back, and the shortest and longest time between two of them, in seconds. */
function measure(points: Point[]): [reach: number, shortest: number, longest: number] {
  const times = points.map(([at]) => at / SECOND);
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
  return [(times.at(-1) ?? 0) - (times[0] ?? 0), Math.min(...gaps), Math.max(...gaps)];
}

test("five minutes, an hour and a day are kept, and no more", () => {
  const { minutes, hour, day } = recorded(50 * HOUR);
  expect([minutes.length, hour.length, day.length]).toEqual([150, 60, 96]);
  const expected: [points: Point[], reach: number, interval: number][] = [
    [minutes, 298, 2],
    [hour, 59 * 60, 60],
    [day, 95 * 900, 900],
  ];
  for (const [points, reach, interval] of expected) {
    const [reached, shortest, longest] = measure(points);
    expect(Math.abs(reached - reach)).toBeLessThan(reach * 0.02 + 1);
    expect([shortest >= interval - 1, longest <= interval + 2.5]).toEqual([true, true]);
  }
});

test("each span begins with the first point, and a long pause leaves a gap", () => {
  const series = newTimeSeries();
  addPoint(series, [0, 1, 1, 0]);
  addPoint(series, [2 * HOUR, 2, 2, 0]);
  expect([series.minutes, series.hour, series.day].map((points) => points.length)).toEqual([
    2, 2, 2,
  ]);
});
