import { count, MEGABYTE, NOT_KNOWN } from "../format.ts";
import type { Measurement, Operation, Report } from "../job.ts";
import { rate } from "../measurement.ts";
import type { Column } from "./table.ts";

/** One measurement's place in the matrix, and what came out. */
export type Row = {
  /** "durable", "-N", or the name of a server that was running already. */
  mode: string;
  connections: number;
  depth: number;
  operation: Operation;
  report: Report;
  /** op/s of the server under test by those of this one; null when that is not asked. */
  ratio: number | null;
};

export function columns(modes: string[], withRatio: boolean): Column[] {
  const left = (title: string, width: number): Column => ({ title, width, right: false });
  const right = (title: string, width: number): Column => ({ title, width, right: true });
  return [
    left("mode", Math.max(7, ...modes.map((mode) => mode.length))),
    right("conns", 5),
    right("depth", 5),
    left("op", 5),
    right("op/s", 9),
    right("p50 µs", 8),
    right("p99 µs", 8),
    right("p99.9 µs", 8),
    right("longest µs", 10),
    right("CPU µs/op", 9),
    right("RSS MB", 6),
    right("load %", 6),
    ...(withRatio ? [right("ours/peer", 9)] : []),
  ];
}

export function cells({ mode, connections, depth, operation, report, ratio }: Row): string[] {
  const place = [mode, String(connections), String(depth), operation];
  if ("failure" in report) return place;
  const { measurement } = report;
  const { p50, p99, p999, longest, serverMemory } = measurement;
  return [
    ...place,
    count(rate(measurement)),
    ...[p50, p99, p999, longest].map((time) => count(time)),
    perOperation(measurement),
    serverMemory === null ? NOT_KNOWN : count(serverMemory / MEGABYTE),
    count(measurement.loadCpu / measurement.seconds / 10_000),
    ratio === null ? "" : ratio.toFixed(2),
  ];
}

function perOperation({ serverCpu, ops }: Measurement): string {
  return serverCpu === null ? NOT_KNOWN : (serverCpu / ops).toFixed(2);
}
