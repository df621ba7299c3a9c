/**
 * `bun build.ts` makes dist/memcacheq for this machine, `bun build.ts --all` the files of a release,
 * `bun build.ts --man` the manual page and the completions for shells.
 */
import { mkdir, rm } from "node:fs/promises";

import { completions } from "./src/config/completions.ts";
import { manual } from "./src/config/manual.ts";
import { program, version } from "./src/util/version.ts";

const folder = `${import.meta.dir}/dist`;

// Since Bun 1.4 the x64 runtime is the -baseline one, and picks faster code by itself: both names, one program.
const targets: Bun.Build.CompileTarget[] = [
  "bun-linux-x64",
  "bun-linux-x64-baseline",
  "bun-linux-x64-musl",
  "bun-linux-x64-baseline-musl",
  "bun-linux-arm64",
  "bun-linux-arm64-musl",
  "bun-darwin-x64",
  "bun-darwin-arm64",
];

/** Compiles one executable into `dist`; without a target, for this machine. Throws what went wrong. */
async function compile(name: string, target?: Bun.Build.CompileTarget): Promise<void> {
  const outfile = `${folder}/${name}`;
  await rm(outfile, { force: true });
  await Bun.build({
    entrypoints: ["main.ts", "store/checkpointer.ts"].map(
      (file) => `${import.meta.dir}/src/${file}`,
    ),
    // A worker is an entry point of its own, and lies beside the program whatever folder its source is in.
    naming: { entry: "[name].[ext]" },
    // Halves the start-up time. Minifying on top gains nothing and makes stack traces unreadable.
    bytecode: true,
    format: "esm",
    compile: {
      outfile,
      ...(target === undefined ? {} : { target }),
      // Whatever lies in the folder where the server is started is not part of it.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
  });
}

/** Compiles for one machine, and tells; undefined when that fails. */
async function release(target: Bun.Build.CompileTarget): Promise<string | undefined> {
  const name = `${program}-${version}${suffixOf(target)}`;
  try {
    await compile(name, target);
    console.log(`dist/${name}`);
    return name;
  } catch (reason) {
    console.error(`dist/${name}: cannot be built: ${describe(reason)}`);
    return undefined;
  }
}

/** `-linux-x64-musl-baseline`: what the machine is, and then what is special. */
function suffixOf(target: Bun.Build.CompileTarget): string {
  return target.slice("bun".length).replace("-baseline-musl", "-musl-baseline");
}

function describe(reason: unknown): string {
  if (reason instanceof AggregateError) return reason.errors.map(describe).join("; ");
  return reason instanceof Error ? reason.message : String(reason);
}

/** A line as sha256sum writes and checks it. */
async function checksum(name: string): Promise<string> {
  const bytes = await Bun.file(`${folder}/${name}`).arrayBuffer();
  return `${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}  ${name}\n`;
}

async function releaseAll(): Promise<boolean> {
  const names: string[] = [];
  for (const target of targets) {
    const name = await release(target);
    if (name !== undefined) names.push(name);
  }
  const sums: string[] = [];
  for (const name of names.toSorted()) sums.push(await checksum(name));
  await Bun.write(`${folder}/SHA256SUMS`, sums.join(""));
  console.log("dist/SHA256SUMS");
  return names.length === targets.length;
}

async function buildHere(): Promise<boolean> {
  try {
    await compile(program);
    console.log(`dist/${program}`);
    return true;
  } catch (reason) {
    console.error(`dist/${program}: cannot be built: ${describe(reason)}`);
    return false;
  }
}

async function writeManual(): Promise<boolean> {
  const files = [{ file: `${program}.1`, text: manual() }, ...completions()];
  for (const { file, text } of files) {
    await Bun.write(`${folder}/${file}`, text);
    console.log(`dist/${file}`);
  }
  return true;
}

const works = new Map([
  ["", buildHere],
  ["--all", releaseAll],
  ["--man", writeManual],
]);

async function main(args: readonly string[]): Promise<boolean> {
  const [argument = "", ...others] = args;
  const work = works.get(argument);
  if (work === undefined || others.length > 0) {
    console.error(`build.ts: ${args.join(" ")}: only --all or --man is accepted, or nothing`);
    return false;
  }
  await mkdir(folder, { recursive: true });
  return await work();
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
