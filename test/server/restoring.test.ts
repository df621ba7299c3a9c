/** A backup that is put back beside the log of a crash. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { builds, launch, scratch, start, suite, user } from "./harness.ts";

suite();

const BODY = "x".repeat(900);

test.each(builds)("is told from damage, and left as it is (%s)", async (build) => {
  const home = join(scratch(), "home");
  const file = join(home, "memcacheq.db");
  const first = await start(["-C", "0", "-T", "0"], { home, build });
  const client = await first.connect();
  for (let n = 0; n < 300; n++) await client.put(`q${n % 20}`, BODY);
  const copy = join(scratch(), "copy.db");
  using database = new Database(file, { readonly: true });
  database.run(`VACUUM INTO '${copy}'`);
  database.close();
  expect(await client.ask("db_archive")).toBe("OK");
  for (let n = 0; n < 300; n++) await client.put(`q${n % 20}`, BODY);
  await first.kill9();
  copyFileSync(copy, file);
  const log = readFileSync(`${file}-wal`);

  const { code, stderr } = await launch(["-u", user, "-p", "0", "-H", home], { build }).exit();
  expect(code).toBe(1);
  expect(stderr).toStartWith(`memcacheq: ${file} is damaged`);
  expect(stderr).toEndWith(
    `. If it was put back from a copy, its log is that of the file before: put the copy back again without ${file}-wal and ${file}-shm\n`,
  );
  expect(readFileSync(file).equals(readFileSync(copy))).toBe(true);
  expect(readFileSync(`${file}-wal`).equals(log)).toBe(true);

  rmSync(`${file}-wal`);
  rmSync(`${file}-shm`);
  const second = await start([], { home, build });
  const reader = await second.connect();
  for (let n = 0; n < 300; n++) expect(await reader.take(`q${n % 20}`)).toBe(BODY);
  expect(await reader.take("q0")).toBeUndefined();
  await second.stop();
});
