/** README.md as the tests read it: what is printed there is what they run. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const project = resolve(import.meta.dir, "../..");

export const readme = readFileSync(join(project, "README.md"), "utf8");

/** The one code block in that language with that text in it. Throws unless there is exactly one. */
export function codeBlock(language: string, text: string): string {
  const blocks = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, name]) => name === language)
    .map(([, , code = ""]) => code)
    .filter((code) => code.includes(text));
  const [block] = blocks;
  if (block !== undefined && blocks.length === 1) return block;
  throw new Error(
    `README.md has ${blocks.length} blocks in ${language} with ${text}, instead of one`,
  );
}
