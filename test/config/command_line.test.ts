import { describe, expect, test } from "bun:test";

import { parseCommandLine } from "../../src/config/command_line.ts";
import type { Options } from "../../src/config/options.ts";
import { changes, complaint, defaults, words } from "./lines.ts";

test("without flags everything has its default", () => {
  expect(parseCommandLine([])).toEqual({ action: "run", options: defaults });
});

describe("a good value", () => {
  const rows: [flag: string, value: string, changed: Partial<Options>][] = [
    ["-p", "0", { port: 0 }],
    ["-p", "65535", { port: 65535 }],
    ["-p", "011211", { port: 11211 }],
    ["-U", "65535", { udpPort: 65535 }],
    ["-U", "0", {}],
    ["-s", "mq.sock", { socket: "mq.sock" }],
    ["-a", "0", { socketMode: 0 }],
    ["-a", "777", { socketMode: 0o777 }],
    ["-a", "0660", { socketMode: 0o660 }],
    ["-l", "::1", { address: [{ hostname: "::1", port: undefined }] }],
    ["-u", "nobody", { user: "nobody" }],
    ["-c", "1", { connections: 1 }],
    ["-c", "1000000", { connections: 1_000_000 }],
    ["-P", "/run/mq.pid", { pidFile: "/run/mq.pid" }],
    ["-t", "1", { threads: 1 }],
    ["-t", "1024", { threads: 1024 }],
    ["-m", "1", { memory: 1_048_576 }],
    ["-m", "1048576", { memory: 2 ** 40 }],
    ["-A", "512", { pageSize: 512 }],
    ["-A", "65536", { pageSize: 65536 }],
    ["-H", "data", { home: "data" }],
    ["-H", "-odd", { home: "-odd" }],
    ["-L", "1", { logBuffer: 1024 }],
    ["-L", "1048576", { logBuffer: 2 ** 30 }],
    ["-C", "0", { checkpointSeconds: 0 }],
    ["-C", "2147483", { checkpointSeconds: 2_147_483 }],
    ["-T", "0", { trickleSeconds: 0 }],
    ["-T", "2147483", { trickleSeconds: 2_147_483 }],
    ["-S", "0", { statsSeconds: 0 }],
    ["-S", "2147483", { statsSeconds: 2_147_483 }],
    ["-e", "0", { tricklePercent: 0 }],
    ["-e", "100", { tricklePercent: 100 }],
    ["-E", "0", { extentPages: 0 }],
    ["-E", "4294967294", { extentPages: 4_294_967_294 }],
    ["-B", "1", { maxBody: 1 }],
    ["-B", "67108864", { maxBody: 67_108_864 }],
    ["-D", "0", { lockWait: 0 }],
    ["-D", "2147483647", { lockWait: 2_147_483_647 }],
  ];

  test.each(rows)("%s %s", (flag, value, changed) => {
    expect(changes([flag, value])).toEqual(changed);
    expect(changes([flag + value])).toEqual(changed);
  });
});

describe("a bad value", () => {
  const port = "a port is a number from 0 to 65535";
  const rows: [flag: string, rule: string, values: string[]][] = [
    [
      "-p",
      port,
      ["65536", "70000", "99999999999999999999", "1e3", "0x10", "-1", " 5", "5 ", "+5", "٣"],
    ],
    ["-U", port, ["65536", "-1", "a"]],
    ["-a", "an access mode is an octal number from 0 to 0777", ["1000", "8", "-1", "0o700", "rwx"]],
    ["-c", "the connections are a number from 1 to 1000000", ["0", "1000001", "many"]],
    ["-t", "the threads are a number from 1 to 1024", ["0", "1025", "-4"]],
    ["-m", "the memory is a number of megabytes from 1 to 1048576", ["0", "1048577", "64m"]],
    ["-A", "a page size is a power of two from 512 to 65536", ["0", "256", "3000", "131072", "4k"]],
    ["-L", "the log buffer is a number of kilobytes from 1 to 1048576", ["0", "1048577"]],
    [
      "-C",
      "the time between checkpoints is a number of seconds from 0 (never) to 2147483",
      ["2147484", "-1"],
    ],
    [
      "-T",
      "the time between trickles is a number of seconds from 0 (never) to 2147483",
      ["2147484", "1.5"],
    ],
    [
      "-S",
      "the time between statistics is a number of seconds from 0 (never) to 2147483",
      ["2147484", "5s"],
    ],
    ["-e", "the share is a number of percent from 0 to 100", ["101", "60%"]],
    ["-E", "the pages are a number from 0 (never) to 4294967294", ["4294967295", "-1"]],
    ["-B", "the largest body is a number of bytes from 1 to 67108864", ["0", "67108865"]],
    [
      "-D",
      "the wait is a number of milliseconds from 0 (not at all) to 2147483647",
      ["2147483648", "x"],
    ],
  ];

  test.each(rows)("%s: %s", (flag, rule, values) => {
    for (const value of values) {
      const message = `${flag} ${value}: ${rule} (see memcacheq -h)`;
      expect(complaint([flag, value])).toBe(message);
      expect(complaint([flag + value])).toBe(message);
    }
    expect(complaint([flag, ""])).toBe(`${flag} "": ${rule} (see memcacheq -h)`);
  });

  test.each([
    ["-s", "a path"],
    ["-u", "a user"],
    ["-P", "a path"],
    ["-H", "a path"],
  ])("%s with an empty value", (flag, what) => {
    expect(complaint([flag, ""])).toBe(`${flag} "": ${what} is needed (see memcacheq -h)`);
  });
});

test.each([
  ["-p", "<num>"],
  ["-s", "<file>"],
  ["-a", "<mask>"],
  ["-l", "<addr>"],
  ["-u", "<user>"],
  ["-H", "<dir>"],
])("%s needs a value", (flag, hint) => {
  const message = `${flag}: its value is missing: ${flag} ${hint} (see memcacheq -h)`;
  expect(complaint([flag])).toBe(message);
  expect(complaint(["-d", `-r${flag.slice(1)}`])).toBe(message);
});

describe("flags without a value", () => {
  test.each<[string, Partial<Options>]>([
    ["-d", { daemon: true }],
    ["-r", { coreFiles: true }],
    ["-v", { verbosity: 1 }],
    ["-N", { noSync: true }],
    ["-R", { removeLogs: true }],
    ["-vv", { verbosity: 2 }],
    ["-v -v -v", { verbosity: 3 }],
    ["-drv", { daemon: true, coreFiles: true, verbosity: 1 }],
    ["-dNRrvv", { daemon: true, noSync: true, removeLogs: true, coreFiles: true, verbosity: 2 }],
    ["-drp11212", { daemon: true, coreFiles: true, port: 11212 }],
    ["-drp 11212", { daemon: true, coreFiles: true, port: 11212 }],
    ["-dudaemon", { daemon: true, user: "daemon" }],
  ])("%s", (line, changed) => {
    expect(changes(words(line))).toEqual(changed);
  });
});

test("the last one of a repeated flag counts", () => {
  expect(changes(words("-p 1 -p2 -H a -H b"))).toEqual({ port: 2, home: "b" });
});

test("a value may look like a flag", () => {
  expect(changes(["-u", "-d"])).toEqual({ user: "-d" });
  expect(changes(["-H", "--"])).toEqual({ home: "--" });
  expect(complaint(["-p", "-h"])).toStartWith("-p -h: a port is");
});

test("-- ends the flags", () => {
  expect(changes(["-d", "--"])).toEqual({ daemon: true });
  expect(complaint(["--", "-d"])).toStartWith('"-d": flags and their values are all it takes');
});

test.each(["start", "-", "", "22201"])("a stray argument: %p", (stray) => {
  const message = `"${stray}": flags and their values are all it takes (see memcacheq -h)`;
  expect(complaint([stray])).toBe(message);
  expect(complaint(["-p", "1", stray, "-d"])).toBe(message);
});

test.each([
  [["-x"], "-x"],
  [["-dx"], "-x"],
  [["-d-"], "--"],
  [["--halp"], "--halp"],
  [["--port=1"], "--port"],
  [["-é"], "-é"],
  [["-d🐇"], "-🐇"],
  [["-1"], "-1"],
])("an unknown flag: %p", (args, name) => {
  expect(complaint(args)).toBe(`${name}: there is no such flag (see memcacheq -h)`);
});

test("help and licence win over what follows, not over what is wrong before", () => {
  expect(parseCommandLine(["-h"])).toEqual({ action: "help" });
  expect(parseCommandLine(["-i"])).toEqual({ action: "license" });
  expect(parseCommandLine(words("-h -p 70000 -x"))).toEqual({ action: "help" });
  expect(parseCommandLine(words("-i -h"))).toEqual({ action: "license" });
  expect(parseCommandLine(words("-dvhx"))).toEqual({ action: "help" });
  expect(parseCommandLine(words("stray -h"))).toEqual({ action: "help" });
  expect(complaint(words("-p 70000 -h"))).toStartWith("-p 70000:");
  expect(complaint(words("-x -i"))).toStartWith("-x:");
  expect(complaint(words("-- -h"))).toStartWith('"-h":');
});

test.each<[string, Partial<Options>]>([
  [
    "-d -r -H /var/lib/memcacheq -N -R -v -L 1024 -B 1024",
    {
      daemon: true,
      coreFiles: true,
      home: "/var/lib/memcacheq",
      noSync: true,
      removeLogs: true,
      verbosity: 1,
      logBuffer: 1024 * 1024,
    },
  ],
  [
    "-d -uroot -r -p11212 -H /home/wwwroot/mcq -N -R -v -L 1024 -B 1024",
    {
      daemon: true,
      user: "root",
      coreFiles: true,
      port: 11212,
      home: "/home/wwwroot/mcq",
      noSync: true,
      removeLogs: true,
      verbosity: 1,
      logBuffer: 1024 * 1024,
    },
  ],
  [
    "-d -l 127.0.0.1 -A 8192 -H /data/memcacheq -B 65535 -N -R -u root",
    {
      daemon: true,
      address: [{ hostname: "127.0.0.1", port: undefined }],
      pageSize: 8192,
      home: "/data/memcacheq",
      maxBody: 65535,
      noSync: true,
      removeLogs: true,
      user: "root",
    },
  ],
  [
    "-u my_user -p 5000 -B 4064 -A 4096 -r -c 1024 -m 64 -N -H /path/to/base",
    {
      user: "my_user",
      port: 5000,
      pageSize: 4096,
      maxBody: 4064,
      coreFiles: true,
      noSync: true,
      home: "/path/to/base",
    },
  ],
])("a command line in the wild: %s", (line, changed) => {
  expect(changes(words(line))).toEqual(changed);
});

describe("--http", () => {
  test.each<[value: string, hostname: string, port: number]>([
    ["9150", "127.0.0.1", 9150],
    ["0", "127.0.0.1", 0],
    ["0.0.0.0:9150", "0.0.0.0", 9150],
    ["[::1]:9150", "::1", 9150],
    ["mq.example.org:9150", "mq.example.org", 9150],
  ])("%s", (value, hostname, port) => {
    expect(changes(["--http", value])).toEqual({ http: { hostname, port } });
    expect(changes([`--http=${value}`, "--http-admin"])).toEqual({
      http: { hostname, port },
      httpAdmin: true,
    });
  });

  test.each(["", "x", ":9150", "65536", "::1:9150", "[::1]", "http://a:1", "a b:1", "a:1:2"])(
    "not %p",
    (value) => {
      expect(complaint(["--http", value])).toContain(
        ": a port is needed, and an address before it",
      );
    },
  );

  test("--http-admin needs it", () => {
    expect(complaint(["--http-admin"])).toBe("--http-admin: it needs --http (see memcacheq -h)");
    expect(complaint(["--http", "1", "--http-admin=1"])).toStartWith(
      "--http-admin=1: --http-admin takes no",
    );
  });
});

test("--ping asks with the options that a server has", () => {
  const line = parseCommandLine(words("--ping -p 5"), { MEMCACHEQ_ADDRESS: "::1" });
  expect(line).toEqual({
    action: "ping",
    options: { ...defaults, port: 5, address: [{ hostname: "::1", port: undefined }] },
  });
  expect(parseCommandLine(words("-s file --ping"))).toEqual({
    action: "ping",
    options: { ...defaults, socket: "file" },
  });
  expect(complaint(["--ping=1"])).toBe("--ping=1: --ping takes no value (see memcacheq -h)");
  expect(complaint(words("--ping -p x"))).toStartWith("-p x: a port is a number");
});

describe("moving from another server", () => {
  test.each([
    ["127.0.0.1:22201", { hostname: "127.0.0.1", port: 22201 }],
    ["old.example:1", { hostname: "old.example", port: 1 }],
    ["[::1]:65535", { hostname: "::1", port: 65535 }],
  ])("--drain-from %s", (place, drainFrom) => {
    expect(changes(["--drain-from", place])).toEqual({ drainFrom });
  });

  test.each([
    "",
    "host",
    ":1",
    "host:",
    "host:0",
    "host:65536",
    "::1:5",
    "[::1]",
    "a:b",
    "host:1 ",
  ])("--drain-from %j is refused", (place) => {
    expect(() => parseCommandLine(["--drain-from", place])).toThrow("a server is host:port");
  });

  test("--queues are names, in bytes", () => {
    const { queues } = changes(["--drain-from", "a:1", "--queues", "jobs,gr\u00fcn"]);
    expect(queues).toEqual(["jobs", "gr\u00c3\u00bcn"]);
  });

  test.each(["", ",", "a,", "a b", "a/b", "n".repeat(251)])("--queues %j is refused", (names) => {
    const args = ["--drain-from", "a:1", "--queues", names];
    expect(() => parseCommandLine(args)).toThrow("queues are names");
  });

  test("--queues alone, and a daemon that drains, are refused", () => {
    expect(() => parseCommandLine(["--queues", "a"])).toThrow("it needs --drain-from");
    expect(() => parseCommandLine(["-d", "--drain-from", "a:1"])).toThrow("does not go with -d");
  });
});

describe("-l", () => {
  const at = (hostname: string, port?: number) => ({ hostname, port });

  test.each([
    ["127.0.0.1", [at("127.0.0.1")]],
    ["127.0.0.1:5", [at("127.0.0.1", 5)]],
    ["localhost:0", [at("localhost", 0)]],
    ["::1", [at("::1")]],
    ["[::1]", [at("::1")]],
    ["[::1]:65535", [at("::1", 65535)]],
    ["fe80::1%eth0", [at("fe80::1%eth0")]],
    ["[fe80::1%eth0]:5", [at("fe80::1%eth0", 5)]],
    ["10.0.0.1,[::1]:5,queue.internal", [at("10.0.0.1"), at("::1", 5), at("queue.internal")]],
  ])("%s", (value, address) => {
    expect(changes(["-l", value])).toEqual({ address });
  });

  test.each([
    "",
    ",",
    "a,,b",
    "a,",
    "127.0.0.1:",
    "127.0.0.1:x",
    "127.0.0.1:65536",
    "[::1",
    "a b",
    "a/b:1",
  ])("%j is none", (value) => {
    expect(complaint(["-l", value])).toContain(
      ": addresses are needed, with commas between, each with or without a port: 127.0.0.1, [::1]:22201, localhost (see memcacheq -h)",
    );
  });
});
