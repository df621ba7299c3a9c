import type { Contender } from "../contender.ts";
import type { Measurement, Task } from "../job.ts";
import { measure } from "../measure.ts";
import { complaint, rate } from "../measurement.ts";
import type { ReportOptions } from "../options.ts";
import { findPeers, type Peers } from "../peers.ts";

/** How much is measured. */
export type Amounts = {
  /** Of one run. */
  seconds: number;
  /** How often those take turns that are compared. */
  rounds: number;
  connections: readonly number[];
  /** Fewer, for the peers. */
  peerConnections: readonly number[];
  /** Bytes in a body. */
  sizes: readonly number[];
  /** Messages queued. */
  backlogs: readonly [number, ...number[]];
  /** Sets, then gets, at a backlog. */
  packed: number;
  /** Messages on disk, from one client, from several, and pipelined. */
  stored: { alone: number; together: number; pipelined: number };
  stallSeconds: number;
  /** Free pages that the file is shortened by in the stall test. */
  stallExtent: number;
  /** Messages queued at the start. */
  queued: number;
};

const FULL: Amounts = {
  seconds: 1,
  rounds: 5,
  connections: [1, 2, 5, 10, 50, 100, 200, 1000],
  peerConnections: [1, 10, 50, 200, 1000],
  sizes: [10, 100, 1024, 16_384, 1_048_576],
  backlogs: [1e3, 1e4, 1e5, 1e6, 1e7],
  packed: 100_000,
  stored: { alone: 200_000, together: 1_000_000, pipelined: 2_000_000 },
  stallSeconds: 60,
  stallExtent: 4096,
  queued: 1e7,
};

const QUICK: Amounts = {
  seconds: 0.2,
  rounds: 1,
  connections: [1, 50, 1000],
  peerConnections: [1, 50],
  sizes: [10, 100, 1_048_576],
  backlogs: [1e3, 1e5],
  packed: 5_000,
  stored: { alone: 5_000, together: 50_000, pipelined: 200_000 },
  stallSeconds: 5,
  stallExtent: 256,
  queued: 1e5,
};

/** What every question is asked with. */
export type Setting = {
  amounts: Amounts;
  peers: Peers;
  /** Runs that failed, or got answers that they should not get. */
  faults: string[];
};

export function settingOf({ quick, programs, peers }: ReportOptions): Setting {
  return { amounts: quick ? QUICK : FULL, peers: findPeers(programs, peers), faults: [] };
}

/** One run; null when it failed, which is told and noted. */
export async function run(
  { faults }: Setting,
  contender: Contender,
  task: Task,
): Promise<Measurement | null> {
  const report = await measure(contender, task);
  const { connections, depth, size, operation } = task;
  const about = `${contender.name}, ${operation}, ${connections} clients, ${depth} deep, ${size} bytes`;
  const note = complaint(report);
  if (note !== "") faults.push(`${about}: ${note}`);
  const result = "failure" in report ? null : report.measurement;
  console.error(`  ${about}: ${result === null ? "" : `${rate(result).toFixed(0)}/s`} ${note}`);
  return result;
}

/**
 * The same for each in turn, `rounds` times and in both orders, so that none has the better moment. Failed runs are
 * left out.
 */
export async function alternate(
  setting: Setting,
  contenders: Contender[],
  task: Task,
): Promise<Measurement[][]> {
  const results = contenders.map((): Measurement[] => []);
  for (let round = 0; round < setting.amounts.rounds; round++) {
    const order = [...contenders.entries()];
    for (const [i, contender] of round % 2 === 0 ? order : order.reverse()) {
      const result = await run(setting, contender, task);
      if (result !== null) results[i]!.push(result);
    }
  }
  return results;
}

/** The one in the middle; null of none. */
export function median(values: number[]): number | null {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? null;
}

/** Operations a second, the median. */
export const medianRate = (results: Measurement[]): number | null => median(results.map(rate));

/** Null when one of them is. */
export function quotient(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one / other;
}
