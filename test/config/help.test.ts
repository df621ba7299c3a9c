import { describe, expect, test } from "bun:test";

import { parseCommandLine } from "../../src/config/command_line.ts";
import { help } from "../../src/config/help.ts";
import { version } from "../../src/util/version.ts";

describe("help", () => {
  const lines = help().split("\n");

  test("begins with the version, and fits 80 columns", () => {
    expect(lines[0]).toBe(`memcacheq ${version}`);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
  });

  /** The lines about one flag, joined. */
  function entry(flag: string): string {
    const start = lines.findIndex((line) => line.startsWith(`  ${flag} `));
    const rest = lines.slice(start + 1);
    const length = rest.findIndex((line) => !line.startsWith("   "));
    return [lines[start] ?? "", ...rest.slice(0, length)].map((line) => line.trim()).join(" ");
  }

  test.each([
    ["-p <num>", "22201"],
    ["-U <num>", "0"],
    ["-s <file>", undefined],
    ["-a <mask>", "0700"],
    ["-l <addr>", "all"],
    ["-d", undefined],
    ["-r", undefined],
    ["-u <user>", undefined],
    ["-c <num>", "1024"],
    ["-v", undefined],
    ["-h", undefined],
    ["-i", undefined],
    ["-P <file>", undefined],
    ["-t <num>", "4"],
    ["-m <num>", "64"],
    ["-A <num>", "4096"],
    ["-H <dir>", "/data1/memcacheq"],
    ["-L <num>", "32"],
    ["-C <num>", "300"],
    ["-T <num>", "30"],
    ["-S <num>", "30"],
    ["-e <num>", "60"],
    ["-E <num>", "16384"],
    ["-B <num>", "1024"],
    ["-D <num>", "100"],
    ["-N", undefined],
    ["-R", undefined],
  ])("%s has its line, and its default %p", (flag, standard) => {
    const text = entry(flag);
    expect(text).toMatch(/^-\w( <\w+>)? +\w.{5,}$/);
    if (standard === undefined) expect(text).not.toContain("default");
    else expect(text.replace(/ \[MEMCACHEQ_\w+\]$/, "")).toEndWith(` (default: ${standard})`);
  });

  test("has no flag that is not accepted", () => {
    const flags = lines.flatMap((line) => /^ {2}(-\w)( <\w+>)? /.exec(line)?.[1] ?? []);
    expect(flags).toBeArrayOfSize(28);
    for (const flag of flags)
      expect(() => parseCommandLine([flag, "1"])).not.toThrow("no such flag");
  });
});
