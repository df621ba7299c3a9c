/** What is fetched or built for a run, in a folder that goes away with it. */
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";

import { GO_DRIVER, NEWER_DALLI, NPM_CLIENTS } from "./clients.ts";
import { runProcess } from "./process.ts";

/** The next stable Debian: has what clients of this one lack. */
const SUITE = "trixie";
const MIRROR = "http://deb.debian.org/debian";
const KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg";
const GO_PACKAGE = "golang-github-bradfitz-gomemcache-dev";

/** Tells what could not be had; the clients that need it are then not there. */
export async function install(folder: string): Promise<void> {
  for (const fetch of [fetchNpmClients, fetchDalli, buildGoDriver]) {
    await fetch(folder).catch((error: Error) => console.error(error.message));
  }
}

async function fetchNpmClients(folder: string): Promise<void> {
  const options = ["--prefix", folder, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"];
  await run(folder, "npm", "install", ...options, ...NPM_CLIENTS);
}

async function fetchDalli(folder: string): Promise<void> {
  const state = join(folder, "apt");
  mkdirSync(join(state, "lists/partial"), { recursive: true });
  await Bun.write(join(state, "list"), `deb [signed-by=${KEYS}] ${MIRROR} ${SUITE} main\n`);
  const places = [
    `Dir::Etc::sourcelist=${join(state, "list")}`,
    "Dir::Etc::sourceparts=/dev/null",
    `Dir::State::lists=${join(state, "lists")}`,
    `Dir::Cache=${state}`,
    "Acquire::Languages=none",
  ].flatMap((place) => ["-o", place]);
  await run(state, "apt-get", ...places, "update");
  await run(state, "apt-get", ...places, "download", "ruby-dalli");
  await run(state, "sh", "-c", "dpkg-deb --extract ruby-dalli_*.deb extracted");
  const [lib] = [...new Bun.Glob("extracted/**/lib/dalli.rb").scanSync(state)];
  if (lib === undefined) throw new Error("ruby-dalli has no lib/dalli.rb");
  renameSync(join(state, lib, ".."), join(folder, NEWER_DALLI));
}

async function buildGoDriver(folder: string): Promise<void> {
  const { stdout } = await run(folder, "dpkg-query", "-W", "-f", "${Version}", GO_PACKAGE);
  const source = join(import.meta.dir, "drivers/go.go");
  const places = ["GO111MODULE=off", "GOPATH=/usr/share/gocode", `GOCACHE=${join(folder, "go")}`];
  const version = ["-ldflags", `-X main.version=${stdout}`];
  await run(folder, "env", ...places, "go", "build", ...version, "-o", GO_DRIVER, source);
}

async function run(folder: string, ...command: string[]) {
  const result = await runProcess(command, folder, 120_000);
  if (result.code === 0) return result;
  throw new Error(`${command.join(" ")}: ${result.stderr.trim()}`);
}
