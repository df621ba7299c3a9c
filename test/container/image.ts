/**
 * Runs what the Dockerfile describes without a container engine: `bun test/container/image.ts`, after `bun build.ts`, on
 * Linux with glibc as a root who may mount. A root folder gets what the image would have, which is the executable, the C
 * library and the folder for the data. The commands of the Dockerfile run in it, as its user.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { type Address, connect } from "../server/client.ts";
import {
  addFile,
  addLibraries,
  connectTo,
  freePort,
  newRoot,
  removeRoot,
  runIn,
  USER,
} from "./root.ts";

const project = join(import.meta.dir, "../..");

interface Image {
  entrypoint: string[];
  health: string[];
  environment: Record<string, string>;
  stopSignal: NodeJS.Signals;
  volume: string;
  /** What comes from the build, and where it goes. */
  files: [source: string, target: string][];
}

/** What the last stage of the Dockerfile says. */
function readImage(): Image {
  const stages = readFileSync(join(project, "Dockerfile"), "utf8").split(/^FROM /m);
  const [base = "", ...lines] = (stages.at(-1) ?? "").split("\n");
  assert.match(base, /:nonroot$/);
  const all = (word: string) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  const one = (word: string) => {
    const [only, ...more] = all(word);
    assert.ok(only !== undefined && more.length === 0, `one ${word} is expected`);
    return only;
  };
  return {
    entrypoint: JSON.parse(one("ENTRYPOINT")) as string[],
    health: JSON.parse(one("HEALTHCHECK").replace(/^.* CMD /, "")) as string[],
    environment: Object.fromEntries(all("ENV").map((text) => text.split("=") as [string, string])),
    stopSignal: one("STOPSIGNAL") as NodeJS.Signals,
    volume: one("VOLUME"),
    files: all("COPY").map((text) => {
      const [source = "", target = ""] = text.split(" ").filter((word) => !word.startsWith("--"));
      return [source.replace("/build", project), target];
    }),
  };
}

const image = readImage();
const root = newRoot(image.volume);

const run = (command: string[], environment: Record<string, string>) =>
  runIn(root, command, { ...image.environment, ...environment });

async function ping(environment: Record<string, string>): Promise<number> {
  return await run(image.health, environment).exited;
}

/** Starts the server, and resolves when its health check says that it is well. */
async function start(environment: Record<string, string>, address: Address) {
  const server = run(image.entrypoint, environment);
  const client = await connectTo(server, address);
  assert.equal(await ping(environment), 0);
  async function stop(): Promise<void> {
    server.kill(image.stopSignal);
    assert.equal(await server.exited, 0);
  }
  async function kill(): Promise<void> {
    server.kill("SIGKILL");
    await server.exited;
  }
  return { client, stop, kill };
}

async function check(what: string, test: () => Promise<void>): Promise<void> {
  await test();
  console.log(`ok: ${what}`);
}

try {
  for (const [source, target] of image.files) {
    if (target !== image.volume) addFile(root, source, target);
  }
  addLibraries(root, join(project, "dist/memcacheq"));
  const port = freePort();
  const address = { hostname: "127.0.0.1", port };
  const environment = { MEMCACHEQ_PORT: String(port), MEMCACHEQ_VERBOSITY: "1" };

  await check("without a server it is not healthy", async () => {
    assert.equal(await ping(environment), 1);
  });
  await check("it starts, is healthy, serves and stops", async () => {
    const { client, stop } = await start(environment, address);
    await client.put("q", "kept");
    await stop();
    assert.equal(await ping(environment), 1);
  });
  await check("another container has the messages of the volume, also after a kill", async () => {
    const first = await start(environment, address);
    await first.client.put("q", "kept too");
    await first.kill();
    const { client, stop } = await start(environment, address);
    assert.deepEqual([await client.take("q"), await client.take("q")], ["kept", "kept too"]);
    await stop();
  });
  await check("a sidecar serves a Unix socket on a shared volume", async () => {
    const socket = `${image.volume}/memcacheq.sock`;
    const sidecar = { MEMCACHEQ_SOCKET: socket, MEMCACHEQ_SOCKET_MODE: "0660" };
    const { client, stop } = await start(sidecar, { unix: join(root.folder, socket) });
    await client.put("q", "x");
    await stop();
  });
  await check("metrics and the page are served", async () => {
    const http = freePort();
    const { stop } = await start({ ...environment, MEMCACHEQ_HTTP: `0.0.0.0:${http}` }, address);
    const get = (path: string) => fetch(`http://127.0.0.1:${http}${path}`);
    assert.equal((await get("/healthz")).status, 200);
    assert.match(await (await get("/metrics")).text(), /^memcacheq_queues 1$/m);
    assert.match(await (await get("/")).text(), /<\/html>\n$/);
    await stop();
  });
  await check("what it writes is in the volume", async () => {
    const find = Bun.spawnSync(["find", root.folder, "-user", String(USER)]);
    const paths = find.stdout.toString().trim().split("\n");
    const owned = paths.map((path) => path.slice(root.folder.length));
    assert.ok(owned.includes(`${image.volume}/memcacheq.db`));
    assert.deepEqual(
      owned.filter((path) => !path.startsWith(image.volume)),
      [],
    );
    assert.equal(await connect(address).catch(() => "nobody listens"), "nobody listens");
  });
} finally {
  removeRoot(root);
}
process.exit(0);
