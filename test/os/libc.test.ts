import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { lockFile } from "../../src/os/libc.ts";

test("a lock is had once, until its descriptor is closed", () => {
  const folder = mkdtempSync(join(tmpdir(), "memcacheq-libc-"));
  const path = join(folder, "lock");
  const first = openSync(path, "w");
  const second = openSync(path, "w");
  expect(lockFile(first)).toBe(true);
  expect(lockFile(first)).toBe(true);
  expect(lockFile(second)).toBe(false);
  closeSync(first);
  expect(lockFile(second)).toBe(true);
  closeSync(second);
  expect(() => closeSync(second)).toThrow("EBADF");
  expect(lockFile(second)).toBe(false);
  rmSync(folder, { recursive: true });
});
