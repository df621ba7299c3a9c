import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Fills a directory with what a program may look for where it is started. Whatever runs this, or reads what it sets,
 * leaves a file, whose path is returned.
 */
export function trap(directory: string): string {
  const sprung = join(directory, "sprung");
  const code = `require("node:fs").writeFileSync(${JSON.stringify(sprung)}, "sprung");`;
  writeFileSync(join(directory, "trap.js"), code);
  writeFileSync(
    join(directory, ".env"),
    `BUN_OPTIONS=--preload=${directory}/trap.js\nBUN_JSC_x=1\n`,
  );
  writeFileSync(join(directory, ".env.local"), "MEMCACHEQ_TRAP=sprung\n");
  writeFileSync(join(directory, ".env.production"), "MEMCACHEQ_TRAP=sprung\n");
  writeFileSync(
    join(directory, "bunfig.toml"),
    'preload = ["./trap.js"]\n[run]\npreload = ["./trap.js"]\n',
  );
  const compiler = { paths: { "node:fs": ["./trap.js"], "bun:sqlite": ["./trap.js"] } };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions: compiler }));
  writeFileSync(join(directory, "jsconfig.json"), "}{ no JSON");
  writeFileSync(
    join(directory, "package.json"),
    JSON.stringify({ main: "./trap.js", imports: { "#*": "./trap.js" }, type: "commonjs" }),
  );
  mkdirSync(join(directory, "node_modules/bun-types"), { recursive: true });
  writeFileSync(join(directory, "node_modules/bun-types/index.js"), code);
  return sprung;
}
