import { readFileSync } from "node:fs";

// The kernel's unit in /proc, on every Linux.
const MICROSECONDS_A_TICK = 10_000;

/** CPU time of a process so far, in microseconds; null where the system does not tell. */
export function cpuOf(pid: number | null): number | null {
  const stat = read(pid, "stat");
  if (stat === null) return null;
  // The program's name may hold spaces; utime and stime are the 12th and 13th field after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_A_TICK;
}

/** Resident memory of a process in bytes; null where the system does not tell. */
export const memoryOf = (pid: number | null): number | null =>
  statusOf(pid, /^VmRSS:\s+(\d+) kB$/m);

/** The most that it was since the process began. */
export const peakMemoryOf = (pid: number | null): number | null =>
  statusOf(pid, /^VmHWM:\s+(\d+) kB$/m);

function statusOf(pid: number | null, line: RegExp): number | null {
  const kilobytes = line.exec(read(pid, "status") ?? "")?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

function read(pid: number | null, file: string): string | null {
  if (pid === null) return null;
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return null;
  }
}
