/**
 * Installs, upgrades, removes and purges the Debian package in a root folder, and has lintian look at it:
 * `bun test/container/debian.ts`, after `bun build.ts --all`, on Debian on x64 as a root who may mount.
 *
 * The root folder is this machine's, with a layer above it that is gone afterwards; no systemd runs in it. The version
 * before has the same executable, and a full queue in a file as version 1.0 made them.
 */
import assert from "node:assert/strict";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { maintainerOf, makeDebianPackage } from "../../src/app/packaging/debian.ts";
import { program, version } from "../../src/util/version.ts";
import { connect } from "../server/client.ts";
import { insertOld, newOld } from "../store/upgrade.old.ts";
import { freePort } from "./root.ts";

const dist = join(import.meta.dir, "../../dist");
const MESSAGES = 10_000;
const SETTING = "MEMCACHEQ_MAX_BODY=65536";

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  // The mounts are seen by this process only, and end with it.
  const made = mkdtempSync(join(tmpdir(), "memcacheq-debian-"));
  const command = ["unshare", "--mount", process.execPath, import.meta.path, made];
  const { exitCode } = Bun.spawnSync(command, { stdio: ["ignore", "inherit", "inherit"] });
  rmSync(made, { recursive: true, force: true });
  process.exit(exitCode);
}

mkdirSync(join(folder, "layer"));
sh(
  folder,
  'mount -t tmpfs -o size=1g tmpfs "$0/layer" && mkdir "$0/layer/upper" "$0/layer/work" "$0/layer/root"',
);
sh(
  folder,
  'mount -t overlay -o "lowerdir=/,upperdir=$0/layer/upper,workdir=$0/layer/work" overlay "$0/layer/root"',
);
const root = join(folder, "layer/root");
sh(root, 'mount --bind /proc "$0/proc" && mount --bind /dev "$0/dev"');
const data = join(root, "var/lib", program);
const settings = join(root, "etc/default", program);

/** Runs a shell command outside of the root; its $0 is the path given. */
function sh(path: string, command: string): string {
  return succeed(["sh", "-ec", command, path]);
}

/** Runs a program in the root. */
function inRoot(...command: string[]): string {
  return succeed(["chroot", root, ...command]);
}

function succeed(command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive" },
  });
  assert.equal(exitCode, 0, `${command.join(" ")}: ${stderr.toString() || stdout.toString()}`);
  return stdout.toString().trim();
}

/** Installs a package of the dist folder, or of the folder of this run. */
function install(path: string): void {
  succeed(["cp", path, join(root, "package.deb")]);
  inRoot("dpkg", "--install", "/package.deb");
}

/** Runs the server as the unit does, and hands a client to the action. */
async function withServer<T>(
  action: (client: Awaited<ReturnType<typeof connect>>) => Promise<T>,
): Promise<T> {
  const unit = readFileSync(join(root, "lib/systemd/system", `${program}.service`), "utf8");
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(unit)?.[1] ?? "";
  const variables = [value("Environment"), readFileSync(settings, "utf8").replace(/^#.*$/gm, "")];
  const port = freePort();
  const user = value("User");
  const child = Bun.spawn(
    [
      ...[
        "chroot",
        root,
        "setpriv",
        `--reuid=${user}`,
        `--regid=${value("Group")}`,
        "--clear-groups",
      ],
      ...[
        "env",
        "-i",
        ...variables.join(" ").trim().split(/\s+/),
        `MEMCACHEQ_PORT=${port}`,
        value("ExecStart"),
      ],
    ],
    { stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  );
  try {
    for (;;) {
      const client = await connect({ hostname: "127.0.0.1", port }).catch(() => undefined);
      if (client !== undefined) return await action(client);
      assert.equal(child.exitCode, null, "the server ended");
      await Bun.sleep(20);
    }
  } finally {
    child.kill("SIGTERM");
    assert.equal(await child.exited, 0, await child.stderr.text());
  }
}

/** What 1.0 leaves when it was stopped with a full queue. */
function fillAsBefore(): void {
  const file = join(data, "memcacheq.db");
  const old = newOld(file);
  const bodies = Array.from({ length: MESSAGES }, (_, i) => `message ${i + 1}`);
  old.run(
    `INSERT INTO queue VALUES (1, 'jobs', 1, ${MESSAGES + 1}, ${bodies.join("").length}, '[]')`,
  );
  old.transaction(() => {
    for (const [i, body] of bodies.entries()) {
      insertOld(old, { queue: 1, first: i + 1, count: 1, flags: 0, body: Buffer.from(body) });
    }
  })();
  old.run("PRAGMA wal_checkpoint(TRUNCATE)");
  old.close();
  for (const path of [file]) chownSync(path, statSync(data).uid, statSync(data).gid);
}

const files = (): string =>
  sh(
    root,
    `find "$0/etc" "$0/usr" "$0/lib" "$0/var/lib" -name '*${program}*' -not -path '*/dpkg/*' -not -path '*/lintian/*' | sort`,
  );

const atFirst = files();
const before = await makeDebianPackage(folder, {
  version: `${version}~before`,
  architecture: "amd64",
  executable: join(dist, `${program}-${version}-linux-x64`),
  seconds: 1_700_000_000,
  maintainer: maintainerOf({ DEBFULLNAME: "shop", DEBEMAIL: "shop@users.noreply.github.com" }),
});
install(join(folder, before));
assert.match(inRoot("getent", "passwd", program), /:\/var\/lib\/memcacheq:\/usr\/sbin\/nologin$/);
assert.equal(
  inRoot("stat", "--format=%U:%G %a", `/var/lib/${program}`),
  `${program}:${program} 750`,
);
assert.ok(files().includes(`multi-user.target.wants/${program}.service`));
assert.equal(inRoot(program, "-h").split("\n")[0], `${program} ${version}`);
console.log("ok: installed: user, data directory, unit");

await Bun.write(settings, `${readFileSync(settings, "utf8")}${SETTING}\n`);
fillAsBefore();
install(join(dist, `${program}_${version}_amd64.deb`));
assert.equal(inRoot("dpkg-query", "--show", "--showformat=${Version}", program), version);
assert.ok(readFileSync(settings, "utf8").endsWith(`${SETTING}\n`));
await withServer(async (client) => {
  assert.equal(await client.ask("stats queue"), `STAT jobs ${MESSAGES}/0`);
  assert.equal(await client.line(), "END");
  for (let i = 1; i <= MESSAGES; i++) assert.equal(await client.take("jobs"), `message ${i}`);
  await client.put("large", "x".repeat(60_000));
});
console.log("ok: upgraded: a full queue, the settings");

inRoot("dpkg", "--remove", program);
assert.ok(!existsSync(join(root, "usr/bin", program)));
assert.ok(existsSync(join(data, "memcacheq.db")));
install(join(dist, `${program}_${version}_amd64.deb`));
assert.ok(readFileSync(settings, "utf8").endsWith(`${SETTING}\n`));
await withServer(async (client) => {
  assert.equal(await client.take("large"), "x".repeat(60_000));
});
console.log("ok: removed and installed again: data and settings were kept");

inRoot("dpkg", "--purge", program);
assert.equal(files(), atFirst);
console.log("ok: purged: nothing is left");

for (const architecture of ["amd64", "arm64"]) {
  const path = join(dist, `${program}_${version}_${architecture}.deb`);
  assert.equal(succeed(["dpkg-deb", "--field", path, "Architecture"]), architecture);
}
succeed([
  "lintian",
  "--allow-root",
  "--fail-on=error",
  join(dist, `${program}_${version}_amd64.deb`),
]);
console.log("ok: lintian finds no error");
process.exit(0);
