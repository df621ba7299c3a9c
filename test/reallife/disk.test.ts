/** A disk that fills up. */
import { expect, test } from "bun:test";
import { join } from "node:path";

import { set } from "../server/client.ts";
import { start, suite } from "../server/harness.ts";
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
