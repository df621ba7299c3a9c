/**
 * `bun build.ts` makes dist/memcacheq for this machine, `--for linux-arm64` for another, `bun build.ts --all` the files of
 * a release (with tar and dpkg-deb), `bun build.ts --man` the manual page and the completions for shells.
 */
import { mkdir, rm } from "node:fs/promises";

import { makeArchive } from "./src/app/packaging/archive.ts";
import { maintainerOf, makeDebianPackage } from "./src/app/packaging/debian.ts";
import { sbom } from "./src/app/packaging/sbom.ts";
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

const debianArchitectures = [
  ["amd64", "-linux-x64"],
  ["arm64", "-linux-arm64"],
] as const;

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
  const executables: string[] = [];
  for (const target of targets) {
    const name = await release(target);
    if (name !== undefined) executables.push(name);
  }
  const names = [...executables, ...(await packAll(executables))];
  const sums: string[] = [];
  for (const name of names.toSorted()) sums.push(await checksum(name));
  await Bun.write(`${folder}/SHA256SUMS`, sums.join(""));
  console.log("dist/SHA256SUMS");
  return executables.length === targets.length;
}

/** Makes an archive of each executable, the Debian packages, and the list of what is in the executables. */
async function packAll(executables: readonly string[]): Promise<string[]> {
  const seconds = await sourceSeconds();
  const names: string[] = [];
  for (const name of executables) names.push(await makeArchive(folder, name, seconds));
  for (const [architecture, suffix] of debianArchitectures) {
    const executable = `${folder}/${program}-${version}${suffix}`;
    const maintainer = maintainerOf(process.env);
    const made = { version, architecture, executable, seconds, maintainer };
    names.push(await makeDebianPackage(folder, made));
  }
  const list = `${program}-${version}.cdx.json`;
  await Bun.write(
    `${folder}/${list}`,
    sbom(version, process.versions as Record<string, string>, seconds),
  );
  await rm(`${folder}/packed`, { recursive: true, force: true });
  for (const name of [...names, list]) console.log(`dist/${name}`);
  return [...names, list];
}

/** When the source was last changed, in seconds since 1970, so that a release can be made again with the same bytes. */
async function sourceSeconds(): Promise<number> {
  const given = Number(process.env.SOURCE_DATE_EPOCH ?? NaN);
  if (Number.isInteger(given)) return given;
  const git = Bun.spawn(["git", "log", "-1", "--format=%ct"], {
    cwd: import.meta.dir,
    stderr: "ignore",
  });
  const committed = Number.parseInt(await git.stdout.text(), 10);
  return Number.isNaN(committed) ? Math.floor(Date.now() / 1000) : committed;
}

/** @param machine `linux-arm64` and so on; without it, this one */
async function buildFor(machine?: string): Promise<boolean> {
  const target = targets.find((target) => target === `bun-${machine}`);
  if (machine !== undefined && target === undefined) {
    const known = targets.map((target) => target.slice("bun-".length));
    console.error(`build.ts: --for ${machine}: only ${known.join(", ")} can be built for`);
    return false;
  }
  try {
    await compile(program, target);
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

async function main([work, ...values]: readonly string[]): Promise<boolean> {
  await mkdir(folder, { recursive: true });
  const count = values.length;
  if (work === undefined) return await buildFor();
  if (work === "--for" && count === 1) return await buildFor(values[0]);
  if (work === "--all" && count === 0) return await releaseAll();
  if (work === "--man" && count === 0) return await writeManual();
  const given = [work, ...values].join(" ");
  console.error(`build.ts: ${given}: only --all, --for <machine> or --man is accepted, or nothing`);
  return false;
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
