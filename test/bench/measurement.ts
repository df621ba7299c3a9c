import type { Measurement, Report } from "./job.ts";

/** Operations per second. */
export const rate = ({ ops, seconds }: Measurement): number => ops / seconds;

/** CPU time of the server, microseconds an operation; NaN when unknown. */
export const cpuOf = ({ serverCpu, ops }: Measurement): number => (serverCpu ?? NaN) / ops;

/** What went wrong in a run; empty when every answer was the expected one. */
export function complaint(report: Report): string {
  if ("failure" in report) return `FAILED: ${report.failure}`;
  const { misses, errors, firstError } = report.measurement;
  const parts: string[] = [];
  if (misses > 0) parts.push(`${misses} misses`);
  if (errors > 0)
    parts.push(`${errors} unexpected answers, the first: ${firstError?.slice(0, 60)}`);
  return parts.length === 0 ? "" : `WRONG: ${parts.join(", ")}`;
}
