/**
 * Runs what the Dockerfile describes without a container engine: `bun test/container/image.ts`, after `bun build.ts`, on
 * Linux with glibc as a root who may mount. A root folder gets what the image would have, which is the executable, the C
 * library and the folder for the data, and what an engine adds, which is /proc. The commands of the Dockerfile run in it,
 * as its user; it is read-only but for the data.
 */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { type Address, connect } from "../server/client.ts";

const project = join(import.meta.dir, "../..");
/** The user `nonroot` of the distroless images. */
const USER = 65532;
const PATIENCE = 10_000;

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
      return [source, target];
    }),
  };
}

/** The libraries that the executable needs, and the loader. */
function libraries(executable: string): string[] {
  const { stdout, success } = Bun.spawnSync(["ldd", executable]);
  assert.ok(success);
  return [...stdout.toString().matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path);
}

function makeRoot(root: string, image: Image): void {
  for (const [source, target] of image.files) {
    const place = join(root, target);
    mkdirSync(dirname(place), { recursive: true });
    if (target === image.volume) {
      mkdirSync(place);
      chownSync(place, USER, USER);
    } else copyFileSync(join(project, source.replace("/build/", "")), place);
  }
  mkdirSync(join(root, "proc"));
  for (const library of libraries(join(project, "dist/memcacheq"))) {
    mkdirSync(dirname(join(root, library)), { recursive: true });
    copyFileSync(library, join(root, library));
    chmodSync(join(root, library), 0o755);
  }
}

const image = readImage();
const root = mkdtempSync(join(tmpdir(), "memcacheq-image-"));
chmodSync(root, 0o755);
const mounts = [
  'mount --bind "$0" "$0"',
  `mount --bind "$0${image.volume}" "$0${image.volume}"`,
  'mount --bind /proc "$0/proc"',
  'mount -o remount,ro,bind "$0"',
  '! touch "$0/written" 2>/dev/null',
].join(" && ");

/** Starts a command in the root folder, as a container engine does. */
function start(command: string[], environment: Record<string, string>) {
  const chroot = ["chroot", `--userspec=${USER}:${USER}`, root, ...command];
  return Bun.spawn(["unshare", "--mount", "sh", "-c", `${mounts} && exec "$@"`, root, ...chroot], {
    env: { PATH: process.env.PATH ?? "", ...image.environment, ...environment },
    stdin: "ignore",
    stderr: "pipe",
  });
}

async function ping(environment: Record<string, string>): Promise<number> {
  return await start(image.health, environment).exited;
}

/** Starts the server, and waits until its health check says that it is well. */
async function startServer(environment: Record<string, string>) {
  const server = start(image.entrypoint, environment);
  for (
    const deadline = Date.now() + PATIENCE;
    (await ping(environment)) !== 0;
    await Bun.sleep(50)
  ) {
    if (server.exitCode !== null || Date.now() > deadline) {
      server.kill("SIGKILL");
      assert.fail(`it is not healthy: ${await server.stderr.text()}`);
    }
  }
  return server;
}

async function stop(server: Awaited<ReturnType<typeof startServer>>): Promise<void> {
  server.kill(image.stopSignal);
  assert.equal(await server.exited, 0);
}

/** A port that was free a moment ago. */
function freePort(): string {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return String(listener.port);
}

async function check(what: string, test: () => Promise<void>): Promise<void> {
  await test();
  console.log(`ok: ${what}`);
}

try {
  makeRoot(root, image);
  const environment = { MEMCACHEQ_PORT: freePort(), MEMCACHEQ_VERBOSITY: "1" };
  const address: Address = { hostname: "127.0.0.1", port: Number(environment.MEMCACHEQ_PORT) };

  await check("without a server it is not healthy", async () => {
    assert.equal(await ping(environment), 1);
  });
  await check("it starts, is healthy, serves and stops", async () => {
    const server = await startServer(environment);
    const client = await connect(address);
    await client.put("q", "kept");
    await stop(server);
    assert.equal(await ping(environment), 1);
  });
  await check("another container has the messages of the volume, also after a kill", async () => {
    const killed = await startServer(environment);
    const client = await connect(address);
    await client.put("q", "kept too");
    killed.kill("SIGKILL");
    await killed.exited;
    const server = await startServer(environment);
    const reader = await connect(address);
    assert.deepEqual([await reader.take("q"), await reader.take("q")], ["kept", "kept too"]);
    await stop(server);
  });
  await check("a sidecar serves a Unix socket on a shared volume", async () => {
    const socket = `${image.volume}/memcacheq.sock`;
    const server = await startServer({ MEMCACHEQ_SOCKET: socket, MEMCACHEQ_SOCKET_MODE: "0660" });
    const client = await connect({ unix: join(root, socket) });
    await client.put("q", "x");
    await stop(server);
  });
  await check("metrics and the page are served", async () => {
    const http = freePort();
    const server = await startServer({ ...environment, MEMCACHEQ_HTTP: `0.0.0.0:${http}` });
    assert.equal((await fetch(`http://127.0.0.1:${http}/healthz`)).status, 200);
    assert.match(
      await (await fetch(`http://127.0.0.1:${http}/metrics`)).text(),
      /^memcacheq_queues 1$/m,
    );
    await stop(server);
  });
  await check("nothing is written but into the volume, and by nobody but its user", async () => {
    const written = Bun.spawnSync(["find", root, "-user", String(USER)]).stdout.toString();
    const paths = written
      .trim()
      .split("\n")
      .map((path) => path.slice(root.length));
    assert.ok(paths.includes(`${image.volume}/memcacheq.db`));
    assert.deepEqual(
      paths.filter((path) => !path.startsWith(image.volume)),
      [],
    );
  });
} finally {
  rmSync(root, { recursive: true, force: true });
}
process.exit(0);
