import { readFileSync } from "node:fs";

import { optionError } from "./error.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "it may not be read",
  EISDIR: "it is a directory",
};

/** The bytes of a file that an option names. @throws OptionError when it cannot be read */
export function readOptionFile(name: `--${string}`, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code = "unknown error" } = error as NodeJS.ErrnoException;
    throw optionError(`${name} ${path}`, REASONS[code] ?? `it cannot be read (${code})`);
  }
}
