import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const POLL_MILLISECONDS = 250;
const UNCHANGED_MILLISECONDS = 2000;
const PATIENCE_MILLISECONDS = 30_000;
const LOG = "-wal";

/** What a server has on disk, bytes: its log, and everything else. */
export type OnDisk = { files: number; log: number };

/** The data of a server that was started in `folder`. */
function onDisk(folder: string): OnDisk {
  const sizes: OnDisk = { files: 0, log: 0 };
  for (const name of readdirSync(join(folder, "data"))) {
    const size = statSync(join(folder, "data", name), { throwIfNoEntry: false })?.size ?? 0;
    sizes[name.endsWith(LOG) ? "log" : "files"] += size;
  }
  return sizes;
}

export const total = ({ files, log }: OnDisk): number => files + log;

/** Waits until the server leaves its files alone: what can be done later, it has done. */
export async function settled(folder: string): Promise<OnDisk> {
  const until = Date.now() + PATIENCE_MILLISECONDS;
  let sizes = onDisk(folder);
  let since = Date.now();
  while (Date.now() - since < UNCHANGED_MILLISECONDS && Date.now() < until) {
    await Bun.sleep(POLL_MILLISECONDS);
    const now = onDisk(folder);
    if (now.files !== sizes.files || now.log !== sizes.log) since = Date.now();
    sizes = now;
  }
  return sizes;
}
