import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const command = [process.execPath, `${import.meta.dir}/log.fixture.ts`];

test.each([
  ["opened", "with the time and nothing that could forge a line"],
  ["unopened", "also before the log is opened"],
])("each level logs its lines: %s, %s", async (state) => {
  const before = Date.now();
  const child = Bun.spawn(command, { stderr: "pipe", env: { ...process.env, LOG: state } });
  const lines = (await child.stderr.text()).split("\n");
  expect(lines.pop()).toBe("");
  expect(lines.map((line) => line.slice(25))).toEqual([
    "error an error at 0",
    "error an error at 1",
    "warn a warning at 1",
    "info what happened at 1",
    "error an error at 2",
    "warn a warning at 2",
    "info what happened at 2",
    "trace a command at 2",
    "error forged\\x0a2026-01-01T00:00:00.000Z error " +
      "\\x1b[2J\\x0d\\x00\\x7f\\x85\\u2028 naïve \\x0a 队列",
  ]);
  for (const line of lines) {
    const [time = ""] = line.split(" ");
    expect(new Date(time).toISOString()).toBe(time);
    expect(Date.parse(time)).toBeWithin(before, Date.now() + 1);
  }
});

test("a standard error that nobody reads stops nothing", async () => {
  const child = Bun.spawn(command, { stdio: ["pipe", "pipe", "pipe"] });
  await child.stderr.cancel();
  await child.stdin.end();
  expect(await child.stdout.text()).toBe("alive\n");
});

test("a closed standard error stops nothing", async () => {
  const child = Bun.spawn(["sh", "-c", 'exec "$@" 2>&-', "sh", ...command]);
  expect(await child.stdout.text()).toBe("alive\n");
});

test("a full disk stops nothing", async () => {
  const child = Bun.spawn(["sh", "-c", 'exec "$@" 2>/dev/full', "sh", ...command]);
  expect(await child.stdout.text()).toBe("alive\n");
});

test("a full pipe that does not wait stops nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "memcacheq-log-"));
  const pipe = join(folder, "pipe");
  Bun.spawnSync(["mkfifo", pipe]);
  const child = Bun.spawn([...command, pipe]);
  expect(await child.stdout.text()).toBe("EAGAIN\nalive\n");
  rmSync(folder, { recursive: true });
});
