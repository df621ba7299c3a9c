/** `-u`: what root becomes, and that another user is ignored for everyone else. */
import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { builds, isRoot, scratch, start, suite, user } from "./harness.ts";

suite();

const account = (name: string) => {
  const row = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`${name}:`));
  const [, , uid, gid] = row?.split(":") ?? [];
  return { uid: Number(uid), gid: Number(gid) };
};

/** Real, effective, saved and file system id of a process. */
function ids(pid: number, name: "Uid" | "Gid" | "Groups"): number[] {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const words = new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
  return words.split(/\s+/).filter(Boolean).map(Number);
}

describe.each(builds)("%s", (build) => {
  test(isRoot ? "root becomes nobody" : "-u is ignored", async () => {
    const parent = scratch();
    chmodSync(parent, 0o755);
    const nobody = account("nobody");
    if (isRoot) chownSync(parent, nobody.uid, nobody.gid);
    const home = join(parent, "home");
    const server = await start(["-u", "nobody"], { build, home });
    const client = await server.connect();
    await client.put("q", "x");
    expect(await client.take("q")).toBe("x");
    const own = { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
    const { uid, gid } = isRoot ? nobody : own;
    expect(ids(server.pid, "Uid")).toEqual([uid, uid, uid, uid]);
    expect(ids(server.pid, "Gid")).toEqual([gid, gid, gid, gid]);
    if (isRoot) expect(ids(server.pid, "Groups")).toEqual([gid]);
    expect(statSync(home).uid).toBe(uid);
    expect(statSync(join(home, "memcacheq.db")).uid).toBe(uid);
    expect(await server.stop()).toMatchObject({ code: 0 });
  });
});

test("the same user stays", async () => {
  const server = await start(["-u", user]);
  const own = process.getuid?.() ?? -1;
  expect(ids(server.pid, "Uid")).toEqual([own, own, own, own]);
  await server.stop();
});
