/** Auth files for tests. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { scratch } from "./harness.ts";

/** The hash of "right", of the lowest cost. */
export const HASH = await Bun.password.hash("right", { algorithm: "bcrypt", cost: 4 });

/** Writes the lines into a file of their own. @returns its path */
export function authFile(...lines: string[]): string {
  const path = join(scratch(), "accounts");
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}

/** The lines of text with which a client authenticates. */
export function login(name: string, secret: string): string {
  return `set login 0 0 ${name.length + 1 + secret.length}\r\n${name} ${secret}\r\n`;
}
