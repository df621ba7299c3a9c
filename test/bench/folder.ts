import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made = new Set<string>();

/** Where the data goes. /tmp is often memory, where a sync costs nothing. */
export function dataRoot(): string {
  const wanted = process.env.TMPDIR;
  if (wanted !== undefined && wanted !== "") return wanted;
  try {
    accessSync("/var/tmp", constants.W_OK);
    return "/var/tmp";
  } catch {
    return tmpdir();
  }
}

/** Makes an empty folder for a server's data. */
export function makeFolder(): string {
  const path = mkdtempSync(join(dataRoot(), "memcacheq-bench-"));
  made.add(path);
  return path;
}

/** Removes it with all that is in it. */
export function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  made.delete(path);
}

/** Leaves it where it is, for somebody to look into. */
export function keepFolder(path: string): void {
  made.delete(path);
}

/** Removes those that are left. */
export function removeFolders(): void {
  for (const path of [...made]) removeFolder(path);
}
