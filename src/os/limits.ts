import { closeSync, openSync } from "node:fs";

import { getLimit, setLimit, unlimited } from "./libc.ts";

/**
 * Allows `wanted` open descriptors, files and sockets together. Lowers nothing.
 * @throws Error when the system does not allow as many
 */
export function raiseOpenFiles(wanted: number): void {
  const { soft, hard } = getLimit("openFiles");
  const needed = BigInt(wanted);
  if (soft >= needed) return;
  // Only root gets a higher hard limit; others may go up to the one they have.
  if (setLimit("openFiles", needed, hard >= needed ? hard : needed)) return;
  throw new Error(
    `${wanted} open files are needed, but the limit is ${hard} ` +
      "(raise it with ulimit -n, or take fewer connections with -c)",
  );
}

/** The lowest descriptor that is not in use, so at least as many are; Infinity when there is none left. */
export function freeDescriptor(): number {
  try {
    const descriptor = openSync("/dev/null", "r");
    closeSync(descriptor);
    return descriptor;
  } catch {
    return Infinity;
  }
}

/** Allows the largest core files that this process may allow: without limit for root. */
export function raiseCoreFiles(): void {
  if (setLimit("coreFiles", unlimited, unlimited)) return;
  const { hard } = getLimit("coreFiles");
  setLimit("coreFiles", hard, hard);
}
