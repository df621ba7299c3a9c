import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dir, "../..");

/** The command that starts this repository's server, and what it is called in the report. */
export type Program = { command: string[]; name: string };

/** The executable when it is newer than every source file, the sources otherwise. */
export function findProgram(): Program {
  const executable = join(ROOT, "dist/memcacheq");
  const main = join(ROOT, "src/main.ts");
  if (existsSync(executable) && statSync(executable).mtimeMs > newest(join(ROOT, "src"))) {
    return { command: [executable], name: "dist/memcacheq" };
  }
  if (existsSync(main)) return { command: [process.execPath, main], name: "src/main.ts" };
  throw new Error("there is no server to start: neither dist/memcacheq nor src/main.ts");
}

function newest(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Math.max(
    0,
    ...files
      .filter((file) => file.isFile())
      .map((file) => statSync(join(file.parentPath, file.name)).mtimeMs),
  );
}
