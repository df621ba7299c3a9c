import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

import { version } from "../src/util/version.ts";
import { codeBlock, DOCUMENTS, PROJECT, read } from "./documents.ts";
import { start, suite } from "./server/harness.ts";

suite();

/** The title of a heading as GitHub makes an anchor of it. */
function anchorOf(title: string): string {
  return title
    .replaceAll("`", "")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

function anchorsOf(path: string): Set<string> {
  const text = read(path).replaceAll(/^```.*?^```$/gms, "");
  return new Set([...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) => anchorOf(title)));
}

/** Links of a document to files of the project and to places in them that are not there. */
function deadLinks(path: string): string[] {
  const links = [...read(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  return links.filter((link) => {
    // The releases are a page of the repository's site.
    if (/^(https?:|mailto:)/.test(link) || link === "../../releases") return false;
    const [file = "", anchor] = link.split("#", 2);
    const target = file === "" ? path : join(dirname(path), file);
    if (!existsSync(join(PROJECT, target))) return true;
    return anchor !== undefined && !anchorsOf(target).has(anchor);
  });
}

test.each(DOCUMENTS)("%s: what it links to is there", (path) => {
  expect(deadLinks(path)).toEqual([]);
});

test("README.md has at most 200 lines", () => {
  expect(read("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(200);
});

test("the tests that prove the promises are there", () => {
  const named = [...read("test/PROMISES.md").matchAll(/^\| [^|]+ \| (.+) \|$/gm)].flatMap(
    ([, tests = ""]) => [...tests.matchAll(/`(test\/\S+)`/g)].map(([, path = ""]) => path),
  );
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((path) => !existsSync(join(PROJECT, path)))).toEqual([]);
});

test("the release that is named is this one", () => {
  const documents = DOCUMENTS.filter((path) => path !== "CHANGELOG.md")
    .map(read)
    .join("\n");
  const versions = [...documents.matchAll(/memcacheq[-:](\d+\.\d+\.\d+)/g)].map(
    ([, number]) => number,
  );
  expect(versions.length).toBeGreaterThan(3);
  expect(new Set(versions)).toEqual(new Set([version]));
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
