import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { removePidFile, writePidFile } from "../../src/os/pidfile.ts";

const folder = mkdtempSync(join(tmpdir(), "memcacheq-pidfile-"));
const own = `${process.pid}\n`;

afterAll(() => rmSync(folder, { recursive: true }));

describe("writing", () => {
  test("everyone may read it, whatever the umask", () => {
    const path = join(folder, "umask");
    const before = process.umask(0o077);
    writePidFile(path);
    process.umask(before);
    expect(readFileSync(path, "utf8")).toBe(own);
    expect(statSync(path).mode & 0o777).toBe(0o644);
  });

  test("overwrites what is left of an earlier server", () => {
    const path = join(folder, "stale");
    writeFileSync(path, "99999999999\nand more\n", { mode: 0o600 });
    writePidFile(path);
    expect(readFileSync(path, "utf8")).toBe(own);
    expect(statSync(path).mode & 0o777).toBe(0o644);
  });

  test("gives it to its owner", () => {
    const path = join(folder, "owner");
    // Only root can give a file away; everyone can give it to themselves.
    const root = process.getuid?.() === 0;
    const owner = root
      ? { uid: 65534, gid: 65533 }
      : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    writePidFile(path, owner);
    const { uid, gid } = statSync(path);
    expect({ uid, gid }).toEqual(owner);
  });

  test("follows no link", () => {
    const target = join(folder, "precious");
    writeFileSync(target, "kept");
    symlinkSync(target, join(folder, "link"));
    expect(() => writePidFile(join(folder, "link"))).toThrow("the PID file cannot be written");
    expect(readFileSync(target, "utf8")).toBe("kept");
  });

  test("writes into nothing but a file", () => {
    const pipe = join(folder, "pipe");
    Bun.spawnSync(["mkfifo", pipe]);
    expect(() => writePidFile(pipe)).toThrow(`-P ${pipe}: the PID file cannot be written`);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    expect(() => writePidFile(pipe)).toThrow("it is not a regular file");
    closeSync(reader);
    expect(() => writePidFile(folder)).toThrow(`-P ${folder}: the PID file cannot be written`);
    const lost = join(folder, "no", "such", "folder");
    expect(() => writePidFile(lost)).toThrow(
      `-P ${lost}: the PID file cannot be written: no such file or directory`,
    );
  });
});

describe("removing", () => {
  test("removes its own", () => {
    const path = join(folder, "own");
    writePidFile(path);
    removePidFile(path);
    expect(() => statSync(path)).toThrow("ENOENT");
  });

  test("leaves another process's", () => {
    const path = join(folder, "other");
    writeFileSync(path, "1\n");
    removePidFile(path);
    expect(readFileSync(path, "utf8")).toBe("1\n");
  });

  test("never throws", () => {
    removePidFile(join(folder, "missing"));
    removePidFile(folder);
    removePidFile(join(folder, "no", "such", "folder"));
  });

  test("empties it where the directory does not let it go", () => {
    const directory = mkdtempSync(join(tmpdir(), "memcacheq-pidfile-"));
    const path = join(directory, "pid");
    const fixture = `${import.meta.dir}/pidfile.fixture.ts`;
    const { exitCode } = Bun.spawnSync([process.execPath, fixture, path]);
    expect(exitCode).toBe(0);
    chmodSync(directory, 0o755);
    expect(readFileSync(path, "utf8")).toBe("");
    rmSync(directory, { recursive: true });
  });
});
