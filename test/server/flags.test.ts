/** The command line, on the real process. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { connect, set } from "./client.ts";
import { expectLines, talk } from "./conversation.ts";
import { builds, freePort, isRoot, launch, run, scratch, start, suite, user } from "./harness.ts";

suite();

/** Every letter that MemcacheQ has. */
const letters = "pUsaldrucvhiPtmAHLCTSeEBDNR";

describe.each(builds)("%s", (build) => {
  test("-h prints every flag and exits with 0", async () => {
    const exit = await run(["-h"], { build });
    expect(exit).toMatchObject({ code: 0, stderr: "" });
    for (const letter of letters) {
      expect(exit.stdout).toMatch(new RegExp(`^\\s*-${letter}\\b`, "m"));
    }
  });

  test("-i prints the licence and exits with 0", async () => {
    const exit = await run(["-i"], { build });
    expect(exit).toMatchObject({ code: 0, stderr: "" });
    expect(exit.stdout).toContain("Redistribution and use in source and binary forms");
  });
});

/** Words of a command line, and the flag that its message has to name. */
const wrong: readonly (readonly [words: string, named: string])[] = [
  ["-Z", "-Z"],
  ["-rZ", "-Z"],
  ["--halp", "-"],
  ["extra", "extra"],
  ["-r extra", "extra"],
  ["-p", "-p"],
  ["-p abc", "-p"],
  ["-p -1", "-p"],
  ["-p 65536", "-p"],
  ["-p 1.5", "-p"],
  ["-p22201x", "-p"],
  ["-U 65536", "-U"],
  ["-U udp", "-U"],
  ["-a 999", "-a"],
  ["-a rwx", "-a"],
  ["-a 10000", "-a"],
  ["-c 0", "-c"],
  ["-c many", "-c"],
  ["-c -5", "-c"],
  ["-t 0", "-t"],
  ["-t x", "-t"],
  ["-m 0", "-m"],
  ["-m x", "-m"],
  ["-A 4000", "-A"],
  ["-A 256", "-A"],
  ["-A 131072", "-A"],
  ["-L x", "-L"],
  ["-C -1", "-C"],
  ["-C x", "-C"],
  ["-T x", "-T"],
  ["-S x", "-S"],
  ["-e 101", "-e"],
  ["-e -1", "-e"],
  ["-E x", "-E"],
  ["-E -1", "-E"],
  ["-B 0", "-B"],
  ["-B x", "-B"],
  ["-B 67108865", "-B"],
  ["-D x", "-D"],
  ["-D -1", "-D"],
  ["-H", "-H"],
  ["-s", "-s"],
  ["-l", "-l"],
  ["-u", "-u"],
  ["-P", "-P"],
];

describe("a wrong command line: a message that names it, exit 1, nothing on standard output", () => {
  test.concurrent.each(wrong)("%s", async (words, named) => {
    const home = join(scratch(), "home");
    const exit = await run(["-H", home, "-u", user, ...words.split(" ")]);
    expect(exit).toMatchObject({ code: 1, stdout: "" });
    expect(exit.stderr).toContain(named);
    expect(exit.stderr).not.toMatch(/^\s+at |\.ts:\d/m);
    expect(existsSync(home)).toBe(false);
  });
});

describe("an address that can't be listened on: one line, exit 1", () => {
  const refused = async (...flags: string[]) => {
    const exit = await run(["-u", user, "-H", join(scratch(), "home"), ...flags]);
    expect(exit).toMatchObject({ code: 1, stdout: "" });
    expect(exit.stderr).toMatch(/^[^\n]+\n$/);
    return exit.stderr;
  };

  test("a TCP port that is taken", async () => {
    const first = await start();
    const message = await refused("-l", "127.0.0.1", "-p", `${first.port}`);
    expect(message).toContain(`${first.port}`);
    await (await first.connect()).inStep();
    await first.stop();
  });

  test("a TCP port that is taken on every interface", async () => {
    const first = await start();
    expect(await refused("-p", `${first.port}`)).toContain(`${first.port}`);
    await first.stop();
  });

  test("a UDP port that is taken", async () => {
    const taken = await Bun.udpSocket({ hostname: "127.0.0.1" });
    const message = await refused("-l", "127.0.0.1", "-p", "0", "-U", `${taken.port}`);
    expect(message).toContain(`${taken.port}`);
    taken.close();
  });

  test.each(["192.0.2.77", "no.such.host.invalid", "300.1.2.3"])("-l %s", async (address) => {
    expect(await refused("-l", address, "-p", "0")).toContain(address);
  });
});

test("without -l it listens on every interface, IPv4 and IPv6", async () => {
  const port = freePort();
  const child = launch(["-v", "-u", user, "-H", join(scratch(), "home"), "-p", `${port}`]);
  await child.logged(/listening on /);
  for (const hostname of ["127.0.0.1", "127.0.0.2", "::1"]) {
    await (await connect({ hostname, port })).inStep();
  }
  child.kill("SIGTERM");
  expect(await child.exit()).toMatchObject({ code: 0, stdout: "" });
});

test("without -v nothing is written", async () => {
  const port = freePort();
  const home = join(scratch(), "home");
  const flags = ["-u", user, "-H", home, "-l", "127.0.0.1", "-p", `${port}`];
  const loud = launch([...flags, "-v"]);
  await loud.logged(/listening on /);
  loud.kill("SIGTERM");
  await loud.exit();

  const silent = launch(flags);
  const client = await reachable(port);
  await talk(client, "> get nothing\n< END\n> nonsense\n< ERROR");
  silent.kill("SIGTERM");
  expect(await silent.exit()).toEqual({ code: 0, stdout: "", stderr: "" });
});

/** Connects to a server that doesn't say when it listens. */
async function reachable(port: number) {
  for (;;) {
    try {
      return await connect({ hostname: "127.0.0.1", port });
    } catch {
      await Bun.sleep(20);
    }
  }
}

describe("all flags together, joined and apart", () => {
  test.each([
    [["-rNR", "-m", "16", "-A8192", "-L1024", "-C", "60", "-T60", "-S60", "-e90"]],
    [["-c100", "-t4", "-E", "1000", "-B", "4064", "-D0", "-vNRr"]],
    [["-C0", "-T0", "-S0", "-e0", "-E0", "-D", "0", "-t", "1"]],
    [["-A", "512", "-m1", "-L1", "-c", "1"]],
    [["-A65536", "-e100"]],
  ])("%j", async (flags) => {
    const server = await start(flags);
    const client = await server.connect();
    await client.put("q", "x".repeat(1000), 3);
    expect(await client.take("q")).toBe("x".repeat(1000));
    expect(await server.stop()).toMatchObject({ code: 0, stdout: "" });
  });
});

test("timers that are due all the time harm nothing", async () => {
  const server = await start(["-C1", "-T1", "-S1", "-E1", "-R", "-N"]);
  const client = await server.connect();
  const until = Date.now() + 2500;
  let n = 0;
  for (; Date.now() < until; n += 100) {
    for (let at = n; at < n + 100; at++) client.send(set("q", `${at}`.repeat(100)));
    await expectLines(client, Array<string>(100).fill("STORED"));
    client.send(`get${" q".repeat(100)}\r\n`);
    const bodies = (await client.messages()).map(({ body }) => body);
    expect(bodies).toEqual(Array.from({ length: 100 }, (_, at) => `${n + at}`.repeat(100)));
  }
  const { code, stderr } = await server.stop();
  expect(code).toBe(0);
  expect(stderr).toMatch(/\bq\b.*\d+\/\d+/);
});

describe("root and -u", () => {
  const flags = () => ["-v", "-H", join(scratch(), "home"), "-l", "127.0.0.1", "-p", "0"];

  test(isRoot ? "root must say -u" : "-u is not needed", async () => {
    if (isRoot) {
      const exit = await run(flags());
      expect(exit).toMatchObject({ code: 1, stdout: "" });
      expect(exit.stderr).toContain("-u");
    } else {
      const child = launch(flags());
      await child.logged(/listening on /);
      child.kill("SIGTERM");
      expect(await child.exit()).toMatchObject({ code: 0 });
    }
  });

  test(isRoot ? "an unknown user is refused" : "-u is ignored", async () => {
    const words = [...flags(), "-u", "no-such-user"];
    if (isRoot) {
      const exit = await run(words);
      expect(exit).toMatchObject({ code: 1, stdout: "" });
      expect(exit.stderr).toContain("no-such-user");
    } else {
      const child = launch(words);
      await child.logged(/listening on /);
      child.kill("SIGTERM");
      expect(await child.exit()).toMatchObject({ code: 0 });
    }
  });
});

test("nothing but its own files is in the home after a stop", async () => {
  const server = await start();
  await (await server.connect()).put("q", "x");
  await server.stop();
  for (const name of readdirSync(server.home)) expect(name).toStartWith("memcacheq.");
});
