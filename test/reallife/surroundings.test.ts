/** What lies where it is started, and what the machine forbids. */
import { expect, test } from "bun:test";
import { copyFileSync, existsSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { connect } from "../server/client.ts";
import { builds, eventually, run, scratch, suite, user } from "../server/harness.ts";
import { trap } from "../server/trap.ts";

suite();

const project = join(import.meta.dir, "../..");

test("bun run start in a clone with an .env: its settings have no effect, and nothing is preloaded", async () => {
  const clone = scratch();
  const sprung = trap(clone);
  for (const name of ["package.json", "bunfig.toml"]) {
    copyFileSync(join(project, name), join(clone, name));
  }
  for (const name of ["src", "LICENSE"]) symlinkSync(join(project, name), join(clone, name));
  writeFileSync(join(clone, ".env"), "MEMCACHEQ_MAX_BODY=wrong\nMEMCACHEQ_HOME=elsewhere\n");
  const socket = join(clone, "mq.sock");
  const pidFile = join(clone, "pid");
  const started = Bun.spawn([process.execPath, "run", "start", "-s", socket, "-P", pidFile], {
    cwd: clone,
    stdio: ["ignore", "ignore", "pipe"],
  });
  await eventually("a server, or its end", () =>
    existsSync(socket) || started.exitCode !== null ? true : undefined,
  );
  const client = await connect({ unix: socket });
  await client.put("q", "more than five bytes");
  expect(await client.take("q")).toBe("more than five bytes");
  process.kill(Number(await Bun.file(pidFile).text()), "SIGTERM");
  expect(await started.exited).toBe(0);
  expect(existsSync(join(clone, "data/memcacheq.db"))).toBe(true);
  expect(existsSync(join(clone, "elsewhere"))).toBe(false);
  expect(existsSync(sprung)).toBe(false);
  expect(await started.stderr.text()).not.toMatch(/TRAP|trap/);
});

test.each(builds)(
  "a machine that forbids executable memory: it says that, in words (%s)",
  async (build) => {
    const folder = scratch();
    const program = join(folder, "no_machine_code");
    const source = join(import.meta.dir, "no_machine_code.c");
    const made = Bun.spawnSync(["cc", "-O1", "-o", program, source]);
    expect(made.stderr.toString()).toBe("");
    const flags = ["-u", user, "-H", join(folder, "home"), "-p", "0", "-l", "127.0.0.1"];
    const shell = `exec ${program} "$0" "$@"`;
    const { code, stderr } = await run(flags, { build, shell });
    expect(stderr).toStartWith(
      "memcacheq: this machine forbids executable memory, which is needed",
    );
    expect(stderr).toMatch(/^[^\n]+\n$/);
    expect(code).toBe(1);
  },
);
