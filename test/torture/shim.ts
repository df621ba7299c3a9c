/** Calls on the database's files that fail on demand: fault.c, compiled and loaded into the server. */
import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/** The calls, the files and the error numbers, as fault.c and Linux have them. */
export const CALLS = { write: 1, sync: 2, truncate: 4, read: 8 } as const;
export const FILES = { database: 1, log: 2, index: 4 } as const;
export const ERRORS = { EIO: 5, EFBIG: 27, ENOSPC: 28, EROFS: 30, EDQUOT: 122 } as const;

/** The order of struct control. */
const FIELDS = ["calls", "files", "error", "after", "times", "partly", "failed"] as const;

export interface Fault {
  /** Sums of the numbers above. */
  calls: number;
  files: number;
  error: number;
  /** How many of these calls work before. */
  after: number;
  /** How many fail. */
  times: number;
  /** Whether a write writes a half before it fails. */
  partly: boolean;
}

export interface Shim {
  /** The environment of a server that is to have it. */
  env: Record<string, string>;
  arm(fault: Fault): void;
  disarm(): void;
  /** How many calls have failed since the last call of `arm`. */
  failed(): number;
}

/** @throws Error when there is no C compiler */
export function makeShim(folder: string): Shim {
  const library = join(folder, "fault.so");
  const source = join(import.meta.dir, "fault.c");
  const compiler = Bun.which("cc") ?? Bun.which("gcc");
  if (compiler === null) throw new Error("a C compiler is needed (Debian: gcc and libc6-dev)");
  const made = Bun.spawnSync([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]);
  if (!made.success) throw new Error(`fault.c cannot be compiled: ${made.stderr.toString()}`);
  const control = join(folder, "control");
  writeFileSync(control, new Int32Array(FIELDS.length));
  const put = (values: number[]) => {
    const file = openSync(control, "r+");
    writeSync(file, new Int32Array(values), 0, values.length * 4, 0);
    closeSync(file);
  };
  return {
    env: { LD_PRELOAD: library, FAULT_CONTROL: control },
    arm({ calls, files, error, after, times, partly }) {
      // Nothing fails while the numbers are being put.
      put([0, files, error, after, times, partly ? 1 : 0, 0]);
      put([calls]);
    },
    disarm: () => put([0]),
    failed() {
      const values = new Int32Array(FIELDS.length);
      const file = openSync(control, "r");
      readSync(file, values, 0, values.byteLength, 0);
      closeSync(file);
      return values[FIELDS.indexOf("failed")] ?? 0;
    },
  };
}
