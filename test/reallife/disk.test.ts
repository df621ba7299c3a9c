/** A disk that fills up. */
import { expect, test } from "bun:test";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { set } from "../server/client.ts";
import { eventually, start, suite } from "../server/harness.ts";
import { smallDisk } from "./small_disk.ts";

suite();

const MB = 1024 * 1024;
const BODY = Buffer.alloc(100_000, "x");

test("--min-free: sets are refused before the disk is full, takes go on, and make space for sets", async () => {
  using disk = await smallDisk("size=48m");
  const { shell, user, inside } = disk;
  const flags = ["-u", user, "-B", "1048576", "--min-free", "24m", "--http", "0"];
  const server = await start(flags, { shell, home: join(inside, "home") });
  const [, site = ""] = await server.logged(/listening on (http \S+)\n/);
  const health = async () => {
    const answer = await fetch(`${site.replace(" ", "://")}/healthz`);
    return `${answer.status} ${await answer.text()}`;
  };
  const client = await server.connect();
  let stored = 0;
  let answer = "STORED";
  for (; answer === "STORED"; stored++) {
    client.send(set("q", BODY));
    answer = await client.line();
  }
  stored--;
  const reason = `less than ${24 * MB} bytes of the disk are free (--min-free)`;
  expect(answer).toBe(`SERVER_ERROR ${reason}`);
  expect(stored).toBeGreaterThan(50);
  expect(await health()).toBe(`503 ${reason}\n`);
  await server.logged(/ warn sets are refused: less than /);
  for (let n = 0; n < stored; n++) expect(await client.take("q")).toHaveLength(BODY.length);
  // What was taken is removed a little later.
  while ((await health()) !== "200 ok\n") await Bun.sleep(10);
  await client.put("q", BODY);
  expect(await client.take("q")).toHaveLength(BODY.length);
  await server.stop();
});

test.each(["SIGTERM", "SIGKILL"] as const)(
  "%s, the disk is full, and it is started: it starts, refuses what it can't store, and goes on when there is space",
  async (signal) => {
    using disk = await smallDisk("size=4m");
    const { shell, user, inside, outside } = disk;
    const options = { shell, home: join(inside, "home") };
    const files = () => readdirSync(join(outside, "home"));
    const flags = ["-u", user, "--http", "0", "-P", join(inside, "pid")];
    const first = await start(flags, options);
    const producer = await first.connect();
    await producer.put("q", "before");
    await first.stop(signal);
    const ballast = join(outside, "ballast");
    expect(() => writeFileSync(ballast, Buffer.alloc(8 * MB))).toThrow("ENOSPC");

    const second = await start(flags, options);
    const [, site = ""] = await second.logged(/listening on (http \S+)\n/);
    const health = async () => (await fetch(`${site.replace(" ", "://")}/healthz`)).status;
    const client = await second.connect();
    client.send(set("q", BODY.subarray(0, 1000)));
    expect(await client.line()).toBe("SERVER_ERROR database or disk is full");
    expect(await health()).toBe(503);
    client.send("get q/peek\r\n");
    expect(await client.messages()).toEqual([{ queue: "q/peek", flags: 0, body: "before" }]);

    rmSync(ballast);
    await eventually("an index of the log", () =>
      files().includes("memcacheq.db-shm") ? true : undefined,
    );
    await eventually("health", async () => ((await health()) === 200 ? true : undefined));
    await client.put("q", "after");
    expect(await client.take("q")).toBe("before");
    expect(await client.take("q")).toBe("after");
    expect((await second.stop()).code).toBe(0);
    expect(files()).toEqual(["memcacheq.db"]);
    expect(readdirSync(outside).sort()).toEqual(["home", "mounted"]);
  },
);
