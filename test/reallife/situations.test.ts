/** SITUATIONS.md: each command of it finds its tests. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const project = join(import.meta.dir, "../..");
const text = readFileSync(join(import.meta.dir, "SITUATIONS.md"), "utf8");
const commands = [...text.matchAll(/`bun (test[ /][^`]*)`/g)].map(([, words = ""]) => words);
const files = readdirSync(join(project, "test"), { recursive: true, encoding: "utf8" }).filter(
  (name) => name.endsWith(".test.ts"),
);

test("every line has a command", () => {
  const lines = text
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .slice(2);
  for (const line of lines) expect(line).toMatch(/`bun test[^`]*`/);
});

test.each(commands)("bun %s", (command) => {
  const [, name = "", pattern] = /^test (\S+)(?: -t '(.*)')?$/.exec(command) ?? [];
  if (command.startsWith("test/")) {
    expect(existsSync(join(project, command))).toBe(true);
    return;
  }
  const found = files.filter((file) => `test/${file}`.includes(name));
  expect(found).not.toEqual([]);
  // The titles are strings of the source; those that are made of parts are found by one of them.
  const sources = found.map((file) => readFileSync(join(project, "test", file), "utf8")).join("\n");
  expect(sources).toContain(pattern ?? "");
});
