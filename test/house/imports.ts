import { dirname, join } from "node:path";

import { scan, type Token } from "./tokens.ts";

/** The files that each file imports, by path; types count, too. */
export type ImportGraph = Map<string, string[]>;

/** What an `import` or `export … from` names, as written. */
export function importsOf(source: string): string[] {
  const { tokens } = scan(source);
  return tokens.flatMap((token, at) => {
    if (token.kind !== "word" || tokens[at - 1]?.text === ".") return [];
    if (token.text === "import") return importedAt(tokens, at);
    if (token.text === "export") return exportedAt(tokens, at);
    return [];
  });
}

/** `import "x"`, `import a, { b } from "x"`, `import type { c } from "x"`, `import("x")`. */
function importedAt(tokens: Token[], at: number): string[] {
  const next = tokens[at + 1];
  if (next?.kind === "string") return [next.text];
  const argument = tokens[at + 2];
  if (next?.text === "(") return argument?.kind === "string" ? [argument.text] : [];
  if (next?.kind !== "word" && next?.text !== "{" && next?.text !== "*") return [];
  return fromAt(tokens, at);
}

/** `export { a } from "x"`, `export * as b from "x"`, `export type { c } from "x"`. */
function exportedAt(tokens: Token[], at: number): string[] {
  const first = tokens[at + 1]?.text === "type" ? at + 2 : at + 1;
  const { text = "" } = tokens[first] ?? {};
  if (text === "*") return fromAt(tokens, first);
  if (text !== "{") return [];
  const close = tokens.findIndex((token, i) => i > first && token.text === "}");
  return tokens[close + 1]?.text === "from" ? fromAt(tokens, close) : [];
}

function fromAt(tokens: Token[], at: number): string[] {
  const from = tokens.findIndex((token, i) => i > at && token.text === "from");
  const found = from < 0 ? undefined : tokens[from + 1];
  return found?.kind === "string" ? [found.text] : [];
}

/** @param files sources by path; an import of anything else does not count */
export function graphOf(files: ReadonlyMap<string, string>): ImportGraph {
  return new Map(
    [...files].map(([path, source]) => {
      const near = importsOf(source).filter((name) => name.startsWith("."));
      const paths = near.map((name) => join(dirname(path), name));
      return [path, [...new Set(paths)].filter((target) => files.has(target))];
    }),
  );
}

/** The shortest circle through each file that is in one, each circle once: `["a.ts", "b.ts", "a.ts"]`. */
export function circlesIn(graph: ImportGraph): string[][] {
  const circles: string[][] = [];
  const seen = new Set<string>();
  for (const path of [...graph.keys()].toSorted()) {
    const circle = seen.has(path) ? undefined : wayBack(graph, path);
    if (circle === undefined) continue;
    for (const member of circle) seen.add(member);
    circles.push(circle);
  }
  return circles;
}

function wayBack(graph: ImportGraph, start: string): string[] | undefined {
  const ways = [[start]];
  const visited = new Set<string>();
  for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
    for (const next of graph.get(way.at(-1) ?? "") ?? []) {
      if (next === start) return [...way, next];
      if (!visited.has(next)) ways.push([...way, next]);
      visited.add(next);
    }
  }
  return undefined;
}
