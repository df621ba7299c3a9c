import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";

import { version } from "../../package.json";
import { makeFolder, removeFolder } from "./folder.ts";

const SYNCS = 101;
const SYNCED_BYTES = 4096;

/** Machine, versions and date, in one line. */
export function describeMachine(): string {
  const cores = cpus();
  const model = cores[0]?.model.replace(/\s+/g, " ").trim() ?? "unknown processor";
  const system = `${process.platform} ${release()}`;
  const date = new Date().toISOString().slice(0, 10);
  return `${cores.length} cores ${model}, ${system}, bun ${Bun.version}, memcacheq ${version}, ${date}`;
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
