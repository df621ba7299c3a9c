/**
 * The rules of src/: imports run one way, from room to room and from file to file; modules hold no state; files are
 * short; comments use plain words.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { type Exception, faultsIn, type Rooms } from "./house/faults.ts";
import { importsOf } from "./house/imports.ts";
import { stateOf } from "./house/state.ts";
import { scan } from "./house/tokens.ts";

// A busy machine takes its time for all of src/.
setDefaultTimeout(60_000);

const ROOMS: Rooms = {
  "main.ts": ["app", "net", "http", "import", "config", "os", "util"],
  app: ["net", "http", "import", "engine", "protocol", "queues", "store", "config", "os", "util"],
  http: ["engine", "protocol", "queues", "net", "config", "os", "util"],
  import: ["engine", "protocol", "queues", "store", "net", "config", "os", "util"],
  net: ["engine", "protocol", "config", "os", "util"],
  engine: ["protocol", "queues", "config", "util"],
  protocol: ["util"],
  queues: ["store", "config", "os", "util"],
  store: ["os", "util"],
  config: ["os", "util"],
  os: ["util"],
  util: [],
};

const EXCEPTIONS: Exception[] = [
  {
    path: "src/util/log.ts",
    name: "log",
    reason: "there is one standard error, and all rooms write to it",
  },
  {
    path: "src/os/libc.ts",
    name: "cache",
    reason: "a cache: opening the library again gives the same functions",
  },
  {
    path: "src/protocol/key.ts",
    name: "recent",
    reason: "a cache of a pure function: the same text gives the same key",
  },
  {
    path: "src/protocol/key.ts",
    name: "recentOptions",
    reason: "a cache of a pure function: the same text gives the same options",
  },
];

test("src keeps the rules", () => {
  const root = join(import.meta.dir, "..");
  const paths = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
    .map((path) => join("src", path))
    .toSorted();
  expect(paths).toContain("src/main.ts");
  const files = new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
  expect(faultsIn(files, ROOMS, EXCEPTIONS)).toEqual([]);
});

/** @param sources by path, without `src/` */
function faults(sources: Record<string, string>, exceptions: Exception[] = []): string[] {
  const files = Object.entries(sources).map(([path, text]) => [`src/${path}`, text] as const);
  return faultsIn(new Map(files), ROOMS, exceptions);
}

describe("imports", () => {
  test.each([
    ['import { a } from "./a.ts";', ["./a.ts"]],
    ['import a, { type B, c as d } from "./a.ts";', ["./a.ts"]],
    ['import type { A } from "./a.ts";', ["./a.ts"]],
    ['import * as a from "./a.ts";', ["./a.ts"]],
    ['import "./a.ts";', ["./a.ts"]],
    ["import { a } from './a.ts';", ["./a.ts"]],
    ['import text from "./a" with { type: "text" };', ["./a"]],
    ['import {\n  a, // from "./b.ts"\n} from "./a.ts";', ["./a.ts"]],
    ['export { a } from "./a.ts";', ["./a.ts"]],
    ['export type { A } from "./a.ts";', ["./a.ts"]],
    ['export * from "./a.ts";\nexport * as b from "./b.ts";', ["./a.ts", "./b.ts"]],
    ['const { a } = await import("./a.ts");', ["./a.ts"]],
    ['type A = import("./a.ts").A;', ["./a.ts"]],
    ['export type A = { from: "./a.ts" };\nexport { a };\nconst from = "./b.ts";', []],
    ['// import "./a.ts";\n/* import "./b.ts"; */', []],
    ["const text = `import \"./a.ts\" ${b} ${`}`} import './c.ts'`;", []],
    ['console.log("import", import.meta.dir, x.import, { import: "./a.ts" });', []],
    [
      'const r = /"/; import "./a.ts"; const s = 1 / 2; import "./b.ts"; x = y / "/";',
      ["./a.ts", "./b.ts"],
    ],
  ])("%s", (source, expected) => {
    expect(importsOf(source)).toEqual(expected);
  });

  test("that run in a circle are found, whatever they import", () => {
    expect(
      faults({
        "util/a.ts": 'import { b } from "./b.ts";',
        "util/b.ts": 'export type { C } from "./deep/c.ts";',
        "util/deep/c.ts": 'import type { A } from "../a.ts";',
        "util/d.ts": 'import { a } from "./a.ts";',
      }),
    ).toEqual(["a circle: src/util/a.ts -> src/util/b.ts -> src/util/deep/c.ts -> src/util/a.ts"]);
  });

  test("of the file itself are a circle", () => {
    expect(faults({ "util/a.ts": 'import "./a.ts";' })).toEqual([
      "a circle: src/util/a.ts -> src/util/a.ts",
    ]);
  });

  test("that go upwards are found", () => {
    expect(
      faults({
        "main.ts":
          'import { serve } from "./app/run.ts";\nimport type { Engine } from "./engine/a.ts";',
        "app/run.ts": 'import { Engine } from "../engine/a.ts";',
        "engine/a.ts": 'import type { Socket } from "../net/tcp.ts";',
        "net/tcp.ts":
          'import { log } from "../util/log.ts";\nimport { readFileSync } from "node:fs";',
        "util/log.ts": 'import { version } from "../../package.json";',
      }),
    ).toEqual([
      "an arrow upwards: src/main.ts -> src/engine/a.ts",
      "an arrow upwards: src/engine/a.ts -> src/net/tcp.ts",
    ]);
  });

  test("of a file without a room are not judged, the file is a fault", () => {
    expect(faults({ "loose.ts": "", "cellar/a.ts": "" })).toEqual([
      "src/loose.ts: loose.ts is not a room of the house",
      "src/cellar/a.ts: cellar is not a room of the house",
    ]);
  });
});

describe("state", () => {
  test.each([
    ["let count = 0;", "count"],
    ["export let count: number | undefined;", "count"],
    ["var a = 1, b = 2;", "a b"],
    ["let { a, b: [c] } = load();", "a c"],
    ["const found = new Map<string, number>();", "found"],
    ["const found: Set<string> = new Set(), list: string[] = [];", "found list"],
    [
      "const table = {}, index = Object.create(null), scratch = Buffer.allocUnsafe(9);",
      "table index scratch",
    ],
    ["const totals = { sets: 0 };\nexport function set() { totals.sets++; }", "totals"],
    ["const totals = { sets: 0 };\nexport const set = () => ++totals.sets;", "totals"],
    ["const totals = { a: [0] };\nconst handlers = { data() { totals.a[0] += 1; } };", "totals"],
    ["const names = ['a'];\nexport const add = (name: string) => names.push(name);", "names"],
    ["const byName = new Map([['a', [1]]]);\nfunction f() { byName.get('a')!.push(2); }", "byName"],
    ["const byName = new Map([['a', 1]]);\nclass A { clear() { byName?.clear(); } }", "byName"],
    ["const a = { b: 1 };\nfunction f(): void { delete (a as { b?: number }).b; }", "a"],
    ["const all = new Set([1]);\nfunction f() { all.add(g(2, [3, 4])); }", "all"],
    ["const a = { b: 1 };\nfunction f() { a.b ??= 2; }", "a"],
    ["const a = { b: 1 };\nfunction f() { Object.assign(a, { b: 2 }); }", "a"],
    [
      "const bytes = new Uint8Array(9);\nfunction f(from: Buffer) { from.copy(bytes, 0); }",
      "bytes",
    ],
    ["const a = { b: 1 };\nfunction f() { return `${a.b++}`; }", "a"],
    ["const a = { list: [1] };\nfunction f() { const { list } = a; list.pop(); }", "a"],
    ["const a = [{ b: 1 }];\nfunction f() { for (const item of a) item.b = 2; }", "a"],
    ["const a = { b: 1 };\nfunction g(a: A) { a.b = 2; }\nfunction f() { a.b = 2; }", "a"],
    ["import { state } from './a.ts';\nexport function f() { state.count = 1; }", "state"],
    ["function f() { f.calls = 1; }", "f"],
    ["function f() { globalThis.calls = 1; }", "globalThis"],
  ])("%s", (source, names) => {
    expect(stateOf(source).map(({ name }) => name)).toEqual(names.split(" "));
  });

  test.each([
    "export const MAX = 5, names = ['a', 'b'], table = { a: 1 }, ids = new Map([['a', 1]]);",
    "function f() { let count = 0; count++; const found = new Map(); found.set('a', 1); }",
    "const table = new Uint8Array(256);\nfor (let i = 0; i < 256; i++) table[i] = i * 2;",
    "const sums = { a: { add: (b: number, c: number) => b + c } };\nfunction f() { return sums.a.add(1, 2); }",
    "const list = ['a'];\nfunction f() { return list.map((a) => a + 1).push('b'); }",
    "const list = ['a'];\nfunction f(list: string[]) { list.push('b'); }",
    "const list = ['a'];\nconst f = (list: string[]) => list.push('b');",
    "const list = ['a'];\nconst f = list => { list.push('b'); };",
    "const list = ['a'];\nfunction f({ a: list = ['c'] }) { list.push('b'); }",
    "const list = ['a'];\nfunction f() { const list = [1]; { list.push('b'); } }",
    "const list = ['a'];\nfunction f() { for (const list of lists) list.push('b'); }",
    "const list = ['a'];\nfunction f() { try { g(); } catch (list) { list.push('b'); } }",
    "const a = { b: 1 };\nfunction f(c: C) { return a.b === 1 && a.b <= 2 && (c.a.b = 3); }",
    "const a = { b: 1 };\nfunction f() { const c = { ...a, a: 2 }; c.b = 2; }",
    "import type { A } from './a.ts';\nfunction f(a: A) { const { b } = a; b.c = 1; }",
    "// let count = 0;\nconst text = 'let count';",
  ])("none: %s", (source) => {
    expect(stateOf(source)).toEqual([]);
  });

  test("is reported with its file, unless it is an exception", () => {
    const sources = { "util/log.ts": "let level = 0;", "os/a.ts": "const cache = new Map();" };
    const level: Exception = { path: "src/util/log.ts", name: "level", reason: "one log" };
    expect(faults(sources, [level])).toEqual(["src/os/a.ts: cache begins empty, to be filled"]);
    expect(faults({ "os/a.ts": "const a = [1];\nexport const f = () => a.pop();" })).toEqual([
      "src/os/a.ts: a is changed in a function: a.pop",
    ]);
  });

  test("needs no exception that is not used", () => {
    const exception: Exception = { path: "src/os/a.ts", name: "cache", reason: "a cache" };
    expect(faults({ "os/a.ts": "export const cache = 1;" }, [exception])).toEqual([
      "src/os/a.ts: cache does not change, and needs no exception",
    ]);
  });
});

test("a file has 400 lines at most", () => {
  expect(faults({ "util/a.ts": "\n".repeat(400) })).toEqual([]);
  expect(faults({ "util/a.ts": "\n".repeat(401) })).toEqual([
    "src/util/a.ts: 401 lines, 400 are allowed",
  ]);
});

test("words of comments that the house does not use are found, and no others", () => {
  const source = `
    // The client who waits. Whose?
    /**
     * Closes it, LEST it is
     * to be kept: somebody reads, or nobody, or whoever; someone.
     */
    const text = "who shall // not" + \`lest \${"who" /* Shall it? */}\`;
    const pattern = /[/] who /;
  `;
  expect(faults({ "util/a.ts": source })).toEqual(
    ["who", "lest", "is to be", "somebody", "nobody", "whoever", "someone", "shall"].map(
      (word) => `src/util/a.ts: a comment says "${word}"`,
    ),
  );
});

test("a source is split as the compiler splits it", () => {
  const text = (source: string) => scan(source).tokens.map((token) => token.text);
  expect(text("a?.b ??= c ? .5 : d")).toEqual(["a", "?.", "b", "??=", "c", "?", ".5", ":", "d"]);
  expect(text("return /a[/]'/g.x / 2")).toEqual(["return", "/a[/]'/g", ".", "x", "/", "2"]);
  expect(text("`a${{ b: `c${d}` }}e`")).toEqual([
    "a",
    "${",
    "{",
    "b",
    ":",
    "c",
    "${",
    "d",
    "}",
    "",
    "}",
    "}",
    "e",
  ]);
  expect(text("'it\\'s' + \"\"")).toEqual(["it\\'s", "+", ""]);
});
