/** Root folders that hold next to nothing, and programs that run in them: for Linux, and a root who may mount. */
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { type Address, connect } from "../server/client.ts";

export interface Root {
  folder: string;
  /** The only folder in it that can be written to. */
  volume: string;
}

export type Running = ReturnType<typeof runIn>;

/** The user `nonroot` of the distroless images. */
export const USER = 65532;
const PATIENCE = 10_000;

/** An empty root but for the volume, which belongs to the user, and a place for /proc. */
export function newRoot(volume: string): Root {
  const folder = mkdtempSync(join(tmpdir(), "memcacheq-root-"));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, "proc"));
  mkdirSync(join(folder, volume));
  chownSync(join(folder, volume), USER, USER);
  return { folder, volume };
}

export function removeRoot({ folder }: Root): void {
  rmSync(folder, { recursive: true, force: true });
}

export function addFile({ folder }: Root, source: string, target = source): void {
  const place = join(folder, target);
  mkdirSync(dirname(place), { recursive: true });
  copyFileSync(source, place);
  chmodSync(place, 0o755);
}

/** Adds the libraries that an executable for glibc needs, and the loader. */
export function addLibraries(root: Root, executable: string): void {
  const { stdout } = Bun.spawnSync(["ldd", executable]);
  for (const [, path = ""] of stdout.toString().matchAll(/(\/\S+) \(0x/g)) addFile(root, path);
}

/** Starts a command in the root as a container engine does: not as root, with /proc, and read-only but for the volume. */
export function runIn(root: Root, command: readonly string[], environment: Record<string, string>) {
  const mounts = [
    'mount --bind "$0" "$0"',
    `mount --bind "$0${root.volume}" "$0${root.volume}"`,
    'mount --bind /proc "$0/proc"',
    'mount -o remount,ro,bind "$0"',
    '! touch "$0/written" 2>/dev/null',
    'exec "$@"',
  ].join(" && ");
  const chroot = ["chroot", `--userspec=${USER}:${USER}`, root.folder, ...command];
  return Bun.spawn(["unshare", "--mount", "sh", "-c", mounts, root.folder, ...chroot], {
    env: { PATH: process.env.PATH ?? "", ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** Connects as soon as the server listens. */
export async function connectTo(server: Running, address: Address) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    try {
      return await connect(address);
    } catch (error) {
      if (server.exitCode === null && Date.now() < deadline) {
        await Bun.sleep(1);
        continue;
      }
      server.kill("SIGKILL");
      throw new Error(`it does not listen: ${await server.stderr.text()}`, { cause: error });
    }
  }
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}
