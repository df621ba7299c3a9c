/** A file system of its own, of a few megabytes, in a mount namespace; for root, and where users may make namespaces. */
import { existsSync } from "node:fs";

import { eventually, isRoot, scratch } from "../server/harness.ts";

export interface SmallDisk {
  /** A directory on it, as a server started with `shell` sees it, and as the test does. */
  inside: string;
  outside: string;
  /** For {@link launch}: what has the server see it. */
  shell: string;
  /** The user for `-u`. */
  user: string;
  [Symbol.dispose](): void;
}

/** @param options of the mount, such as `size=8m` */
export async function smallDisk(options: string): Promise<SmallDisk> {
  const directory = scratch();
  const namespaces = isRoot ? ["--mount"] : ["--user", "--map-root-user", "--mount"];
  const script = 'mount -t tmpfs -o "$1" tmpfs "$0" && touch "$0/mounted" && exec sleep infinity';
  const holder = Bun.spawn(["unshare", ...namespaces, "sh", "-c", script, directory, options], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  const outside = `/proc/${holder.pid}/root${directory}`;
  await eventually("a small disk", () => (existsSync(`${outside}/mounted`) ? true : undefined));
  const entered = isRoot ? "--mount" : "--preserve-credentials --user --mount";
  return {
    inside: directory,
    outside,
    shell: `exec nsenter --target ${holder.pid} ${entered} "$0" "$@"`,
    user: "root",
    [Symbol.dispose]: () => holder.kill("SIGKILL"),
  };
}
