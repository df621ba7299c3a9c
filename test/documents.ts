/** The project's documents as the tests read them: what is printed there is what they run. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const PROJECT = resolve(import.meta.dir, "..");

/** Paths within the project. */
export const DOCUMENTS = [...new Bun.Glob("**/*.md").scanSync({ cwd: PROJECT })]
  .filter((path) => !/^(node_modules|dist|data)\//.test(path))
  .toSorted();

export function read(path: string): string {
  return readFileSync(join(PROJECT, path), "utf8");
}

/** The one code block of all documents in that language with that text in it. Throws unless there is exactly one. */
export function codeBlock(language: string, text: string): string {
  const blocks = DOCUMENTS.flatMap((path) => [...read(path).matchAll(/^```(\w+)\n(.*?)^```$/gms)])
    .filter(([, name]) => name === language)
    .map(([, , code = ""]) => code)
    .filter((code) => code.includes(text));
  const [block] = blocks;
  if (block !== undefined && blocks.length === 1) return block;
  throw new Error(
    `the documents have ${blocks.length} blocks in ${language} with ${text}, instead of one`,
  );
}
