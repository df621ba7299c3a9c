import { closeSync, fdatasyncSync, openSync, readFileSync, realpathSync, writeSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";

import { version } from "../../package.json";
import { dataRoot, makeFolder, removeFolder } from "./folder.ts";

const SYNCS = 101;
const SYNCED_BYTES = 4096;
const GIGABYTE = 1024 ** 3;

/** Machine, versions and date, in one line. */
export function describeMachine(): string {
  return `${processor()}, ${kernel()}, bun ${Bun.version}, memcacheq ${version}, ${today()}`;
}

export const today = (): string => new Date().toISOString().slice(0, 10);

export const kernel = (): string => `${process.platform} ${release()}`;

export const memory = (): string => `${(totalmem() / GIGABYTE).toFixed(0)} GB`;

export function processor(): string {
  const cores = cpus();
  const model = cores[0]?.model.replace(/\s+/g, " ").trim() ?? "unknown processor";
  return `${cores.length} cores ${model}`;
}

/** The kind of file system that the data is on, and its options; where the system does not tell, only its place. */
export function fileSystem(): string {
  const folder = realpathSync(dataRoot());
  try {
    const mounts = readFileSync("/proc/mounts", "utf8").trim().split("\n");
    const fields = mounts.map((line) => line.split(" "));
    const [, , kind = "", options = ""] = fields
      .filter(([, at = ""]) => `${folder}/`.startsWith(at.endsWith("/") ? at : `${at}/`))
      .reduce((best, mount) => ((mount[1] ?? "").length >= (best[1] ?? "").length ? mount : best));
    return `${kind} (${options}), ${folder}`;
  } catch {
    return folder;
  }
}

/** What making 4 KB durable costs where the data goes: the median of many, in microseconds. */
export function syncCost(): number {
  const folder = makeFolder();
  const file = openSync(join(folder, "sync"), "w");
  const block = Buffer.alloc(SYNCED_BYTES);
  const costs = Array.from({ length: SYNCS }, () => {
    const startedAt = Bun.nanoseconds();
    writeSync(file, block, 0, block.length, 0);
    fdatasyncSync(file);
    return (Bun.nanoseconds() - startedAt) / 1000;
  });
  closeSync(file);
  removeFolder(folder);
  return costs.sort((a, b) => a - b)[Math.floor(SYNCS / 2)] ?? 0;
}
