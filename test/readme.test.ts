import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { help } from "../src/config/help.ts";
import { version } from "../src/util/version.ts";
import { codeBlock, readme } from "./clients/readme.ts";
import { start, suite } from "./server/harness.ts";

suite();

/** What a flag is called, what it does, its default, and its variable; empty where there is none. */
type Row = [usage: string, meaning: string, standard: string, variable: string];

function rowsOfHelp(): Row[] {
  const rows = help().matchAll(/^ {2}(--?\S+(?: <\S+>)?)(?: {2,}|\n +)(.+(?:\n {4,}.+)*)/gm);
  return [...rows].map(([, usage = "", lines = ""]) => {
    const text = lines.replace(/\n +/g, " ");
    const row = /^(.*?)(?: \(default: (.*)\))?(?: \[(MEMCACHEQ_\w+)\])?$/.exec(text) ?? [];
    const [, meaning = "", standard = "", variable = ""] = row;
    return [usage, meaning, standard, variable];
  });
}

function rowsOfReadme(): Row[] {
  const rows = readme.matchAll(/^\| `(-.+?)` \| (.*?) \|(?: (.*?))? \|(?: `(.*?)`)? \|$/gm);
  return [...rows].map(([, usage = "", meaning = "", standard = "", variable = ""]) => {
    return [usage, meaning, standard.replaceAll("`", ""), variable];
  });
}

test("the tests that prove the promises are there", () => {
  const promises = /^## Promises$(.*?)^## /ms.exec(readme)?.[1] ?? "";
  const named = [...promises.matchAll(/^\| [^|]+ \| (.+) \|$/gm)].flatMap(([, tests = ""]) =>
    [...tests.matchAll(/`(test\/\S+)`/g)].map(([, path = ""]) => path),
  );
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((path) => !existsSync(join(import.meta.dir, "..", path)))).toEqual([]);
});

test("the release that is named is this one", () => {
  const versions = [...readme.matchAll(/memcacheq[-:](\d+\.\d+\.\d+)/g)].map(
    ([, number]) => number,
  );
  expect(versions.length).toBeGreaterThan(3);
  expect(new Set(versions)).toEqual(new Set([version]));
});

test("the table of flags is that of -h", () => {
  const rows = rowsOfHelp();
  expect(rows).toContainEqual([
    "-p <num>",
    "TCP port; 0: the system picks one",
    "22201",
    "MEMCACHEQ_PORT",
  ]);
  expect(rows.length).toBe(help().match(/^ {2}-/gm)?.length ?? NaN);
  expect(rowsOfReadme()).toEqual(rows);
});

test("the conversation is what the server says", async () => {
  const [prompt, ...lines] = codeBlock("text", "telnet").trimEnd().split("\n");
  expect(prompt).toBe("$ telnet 127.0.0.1 22201");
  // What a user types: commands, and a body after each set.
  const command = /^(set|get|stats|quit)\b/;
  const typed = lines.map((line, i) => command.test(line) || /^set\b/.test(lines[i - 1] ?? ""));
  const text = (own: boolean) =>
    lines.flatMap((line, i) => (typed[i] === own ? [`${line}\r\n`] : [])).join("");

  const server = await start();
  const client = await server.connect();
  client.send(text(true));
  expect(await client.rest()).toBe(text(false));
  expect((await server.stop()).code).toBe(0);
});
