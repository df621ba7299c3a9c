import { describe, expect, test } from "bun:test";

import {
  type Environment,
  flagRows,
  help,
  OptionError,
  type Options,
  parseCommandLine,
} from "../../src/config/options.ts";
import { version } from "../../src/util/version.ts";

const defaults: Options = {
  port: 22201,
  udpPort: 0,
  socket: undefined,
  socketMode: 0o700,
  address: undefined,
  daemon: false,
  coreFiles: false,
  user: undefined,
  connections: 1024,
  verbosity: 0,
  pidFile: undefined,
  threads: 4,
  memory: 64 * 1024 * 1024,
  pageSize: 4096,
  home: "/data1/memcacheq",
  logBuffer: 32 * 1024,
  checkpointSeconds: 300,
  trickleSeconds: 30,
  statsSeconds: 30,
  tricklePercent: 60,
  extentPages: 16384,
  maxBody: 1024,
  lockWait: 100,
  noSync: false,
  removeLogs: false,
  maxMessages: Infinity,
  maxBytes: Infinity,
  http: undefined,
  httpAdmin: false,
  drainFrom: undefined,
  queues: undefined,
};

/** What a command line changes about the defaults. */
function changes(args: string[]): Partial<Options> {
  const line = parseCommandLine(args);
  if (line.action !== "run") throw new Error(`${line.action} instead of run`);
  return changed(line.options);
}

function changed(options: Options): Partial<Options> {
  const entries = Object.entries(options);
  return Object.fromEntries(
    entries.filter(([key, value]) => value !== defaults[key as keyof Options]),
  );
}

function words(line: string): string[] {
  return line.split(" ");
}

function complaint(args: string[], environment: Environment = {}): string {
  try {
    parseCommandLine(args, environment);
  } catch (error) {
    if (error instanceof OptionError) return error.message;
    throw error;
  }
  throw new Error(`accepted: ${args.join(" ")}`);
}

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
    ["-l", "::1", { address: "::1" }],
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
    ["-l", "an address"],
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
  [["--help"], "--help"],
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
      address: "127.0.0.1",
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
      maxBody: 4064,
      coreFiles: true,
      noSync: true,
      home: "/path/to/base",
    },
  ],
])("a command line in the wild: %s", (line, changed) => {
  expect(changes(words(line))).toEqual(changed);
});

describe("the environment", () => {
  function settings(environment: Environment, line = ""): Partial<Options> {
    const commandLine = parseCommandLine(line === "" ? [] : words(line), environment);
    if (commandLine.action !== "run") throw new Error(`${commandLine.action} instead of run`);
    return changed(commandLine.options);
  }

  test("holds a variable for every flag that has a meaning for a server", () => {
    const without = flagRows().filter(({ variable }) => variable === undefined);
    expect(without.map(({ name }) => name)).toEqual(["-h", "-i", "--ping"]);
    expect(flagRows().filter(({ variable }) => variable !== undefined)).toBeArrayOfSize(
      Object.keys(defaults).length,
    );
  });

  test.each<[Environment, Partial<Options>]>([
    [{ MEMCACHEQ_PORT: "11211" }, { port: 11211 }],
    [
      { MEMCACHEQ_ADDRESS: "::1", MEMCACHEQ_SOCKET_MODE: "660" },
      { address: "::1", socketMode: 0o660 },
    ],
    [{ MEMCACHEQ_MEMORY: "128" }, { memory: 128 * 1024 * 1024 }],
    [{ MEMCACHEQ_CHECKPOINT_SECONDS: "0" }, { checkpointSeconds: 0 }],
    [{ MEMCACHEQ_MAX_BYTES: "2g" }, { maxBytes: 2 ** 31 }],
    [{ MEMCACHEQ_VERBOSITY: "2" }, { verbosity: 2 }],
    [
      { MEMCACHEQ_NO_SYNC: "1", MEMCACHEQ_DAEMON: "Yes" },
      { noSync: true, daemon: true },
    ],
    [{ MEMCACHEQ_NO_SYNC: "0", MEMCACHEQ_DAEMON: "off" }, {}],
    [{ MEMCACHEQ_PORT: "", MEMCACHEQ_NO_SYNC: "", MEMCACHEQ_USER: "" }, {}],
    [{ MEMCACHEQ_PORT: "tcp://10.0.0.1:22201", MEMCACHEQ_SERVICE_HOST: "10.0.0.1" }, {}],
    [{ PORT: "1", memcacheq_port: "1", MEMCACHEQ_CONSTRUCTOR: "1" }, {}],
  ])("%p", (environment, expected) => {
    expect(settings(environment)).toEqual(expected);
  });

  test("is overruled by the command line", () => {
    expect(settings({ MEMCACHEQ_PORT: "1", MEMCACHEQ_HOME: "a" }, "-p 2")).toEqual({
      port: 2,
      home: "a",
    });
    expect(settings({ MEMCACHEQ_PORT: "wrong" }, "-p 2")).toEqual({ port: 2 });
    expect(settings({ MEMCACHEQ_VERBOSITY: "2" }, "-v")).toEqual({ verbosity: 1 });
    expect(settings({ MEMCACHEQ_NO_SYNC: "no" }, "-N")).toEqual({ noSync: true });
  });

  test.each<[variable: string, value: string, rule: string]>([
    ["PORT", "70000", "a port is a number from 0 to 65535"],
    ["PORT", " 5", "a port is a number from 0 to 65535"],
    ["UDP_PORT", "tcp://10.0.0.1:22201", "a port is a number from 0 to 65535"],
    ["VERBOSITY", "3", "how often it is given is a number from 0 to 2"],
    ["NO_SYNC", "maybe", "1, true, yes, on is yes, and 0, false, no, off is no"],
    ["NO_SYNC", "constructor", "1, true, yes, on is yes, and 0, false, no, off is no"],
  ])("MEMCACHEQ_%s=%s is named when it is wrong", (variable, value, rule) => {
    const name = `MEMCACHEQ_${variable}`;
    expect(complaint([], { [name]: value })).toBe(`${name}=${value}: ${rule} (see memcacheq -h)`);
  });

  test("is not asked for help", () => {
    expect(parseCommandLine(["-h"], { MEMCACHEQ_PORT: "wrong" })).toEqual({ action: "help" });
  });
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
  expect(line).toEqual({ action: "ping", options: { ...defaults, port: 5, address: "::1" } });
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
    expect(flags).toBeArrayOfSize(27);
    for (const flag of flags)
      expect(() => parseCommandLine([flag, "1"])).not.toThrow("no such flag");
  });
});
