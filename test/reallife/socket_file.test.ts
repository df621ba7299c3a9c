/** The file of a Unix socket: whose it is, what stands in its place, and who removes it. */
import { expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { connect } from "../server/client.ts";
import { isRoot, launch, scratch, start, suite, user } from "../server/harness.ts";

suite();

/** The line of a user or a group in the system's list; undefined when there is none. */
function idsOf(list: "passwd" | "group", name: string): number[] {
  const line = readFileSync(`/etc/${list}`, "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${name}:`));
  return (line ?? "").split(":").slice(2, 4).map(Number);
}

const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const [nobodyId = 0, nobodyGroup = 0] = idsOf("passwd", "nobody");
/** Whom the server becomes, and the group of the web server: without root both are the ones that we are. */
const server = isRoot
  ? { name: "nobody", uid: nobodyId, gid: nobodyGroup }
  : { name: user, ...own };
const webGroup = isRoot ? (idsOf("group", "www-data")[0] ?? 0) : own.gid;

/** A directory for sockets, in one that all may enter. */
function socketDirectory(mode: number, uid: number, gid: number): string {
  const parent = scratch();
  chmodSync(parent, 0o755);
  const directory = join(parent, "sockets");
  mkdirSync(directory);
  chownSync(directory, uid, gid);
  chmodSync(directory, mode);
  return directory;
}

function ownerOf(file: string) {
  const { uid, gid, mode } = statSync(file);
  return { uid, gid, mode: (mode & 0o777).toString(8) };
}

test.each([
  ["root's", own.uid],
  ["the server's", server.uid],
])(
  "a directory that is %s and setgid www-data, -a 0660: www-data may connect",
  async (_title, uid) => {
    const directory = socketDirectory(0o2775, uid, webGroup);
    const socket = join(directory, "mq.sock");
    const home = join(directory, "../home");
    const running = await start(["-u", server.name, "-a", "0660"], { socket, home });
    expect(ownerOf(socket)).toEqual({ uid: server.uid, gid: webGroup, mode: "660" });
    await (await running.connect()).inStep();
    await running.stop();
    expect(readdirSync(directory)).toEqual(
      uid === server.uid ? [] : ["mq.sock"].filter(() => isRoot),
    );
  },
);

test.each([
  ["root's", own.uid, own.gid],
  ["the server's", server.uid, server.gid],
])(
  "a directory that is %s and not setgid: the socket is all the server's",
  async (_title, uid, gid) => {
    const directory = socketDirectory(0o755, uid, gid);
    const socket = join(directory, "mq.sock");
    const home = join(directory, "../home");
    const running = await start(["-u", server.name, "-a", "0660"], { socket, home });
    expect(ownerOf(socket)).toEqual({ uid: server.uid, gid: server.gid, mode: "660" });
    await running.stop();
  },
);

test("the user of -u puts links in the place of the socket: nothing of root's is given away", async () => {
  const directory = socketDirectory(0o755, server.uid, server.gid);
  const socket = join(directory, "mq.sock");
  const secret = join(scratch(), "secret");
  writeFileSync(secret, "root's");
  const before = ownerOf(secret);
  const swap = `while :; do ln -sf ${secret} ${socket} 2>/dev/null; rm -f ${socket}; done`;
  const as = isRoot
    ? ["setpriv", `--reuid=${server.uid}`, `--regid=${server.gid}`, "--clear-groups"]
    : [];
  const attacker = Bun.spawn([...as, "sh", "-c", swap], { stdio: ["ignore", "ignore", "ignore"] });
  for (let n = 0; n < 5; n++) {
    const flags = ["-v", "-u", server.name, "-s", socket, "-H", join(scratch(), "home")];
    const attempt = launch(flags);
    await Promise.race([attempt.logged(/listening on /).catch(() => undefined), attempt.exit()]);
    attempt.kill("SIGTERM");
    await attempt.exit();
  }
  attacker.kill("SIGKILL");
  await attacker.exited;
  expect(ownerOf(secret)).toEqual(before);
  expect(readFileSync(secret, "utf8")).toBe("root's");
});

test("two starts at once over the socket of a dead server: one serves, and keeps its file", async () => {
  const socket = join(scratch(), "mq.sock");
  let dead = await start([], { socket });
  for (let round = 0; round < 8; round++) {
    await dead.kill9();
    expect(existsSync(socket)).toBe(true);
    // Every second time they have the same home, too.
    const homes = [dead.home, round % 2 === 0 ? dead.home : join(scratch(), "home")];
    const starts = homes.map((home) => {
      const child = launch(["-v", "-u", user, "-s", socket, "-H", home]);
      const serves = child.logged(/listening on /).then(
        () => true,
        () => false,
      );
      return { child, serves };
    });
    const serving = await Promise.all(starts.map(({ serves }) => serves));
    expect(serving.filter(Boolean)).toHaveLength(1);
    const [winner, loser] = serving[0] === true ? starts : starts.toReversed();
    expect((await loser?.child.exit())?.code).toBe(1);
    const client = await connect({ unix: socket });
    await client.inStep();
    winner?.child.kill("SIGTERM");
    expect((await winner?.child.exit())?.code).toBe(0);
    expect(existsSync(socket)).toBe(false);
    dead = await start([], { socket, home: dead.home });
  }
  await dead.stop();
});

test("a socket's file that was removed, and made again by another server, stays", async () => {
  const socket = join(scratch(), "mq.sock");
  const first = await start([], { socket });
  Bun.spawnSync(["rm", socket]);
  const second = await start([], { socket });
  await first.stop();
  const client = await connect({ unix: socket });
  await client.inStep();
  await second.stop();
  expect(existsSync(socket)).toBe(false);
});
