import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dir, "../..");

const NAME = "dist/memcacheq";

/** The command that starts this repository's server, and what it is called in the report. */
export type Program = { command: string[]; name: string };

let found: Program | undefined;

/** The executable, which is built first when a source file is newer, and is the same from then on. Throws when that fails. */
export function findProgram(): Program {
  found ??= newestProgram();
  return found;
}

function newestProgram(): Program {
  const executable = join(ROOT, NAME);
  if (!existsSync(executable) || statSync(executable).mtimeMs <= newest()) build();
  return { command: [executable], name: NAME };
}

function build(): void {
  const { success, stderr } = Bun.spawnSync([process.execPath, "build.ts"], { cwd: ROOT });
  if (!success) throw new Error(stderr.toString().trim());
}

function newest(): number {
  const files = readdirSync(join(ROOT, "src"), { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name));
  return Math.max(...[join(ROOT, "build.ts"), ...files].map((file) => statSync(file).mtimeMs));
}
