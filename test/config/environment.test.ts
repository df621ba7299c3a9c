import { describe, expect, test } from "bun:test";

import { parseCommandLine } from "../../src/config/command_line.ts";
import { type Environment, unknownVariables } from "../../src/config/environment.ts";
import type { Options } from "../../src/config/options.ts";
import { listUsages } from "../../src/config/usage.ts";
import { changed, complaint, defaults, words } from "./lines.ts";

describe("the environment", () => {
  function settings(environment: Environment, line = ""): Partial<Options> {
    const commandLine = parseCommandLine(line === "" ? [] : words(line), environment);
    if (commandLine.action !== "run") throw new Error(`${commandLine.action} instead of run`);
    return changed(commandLine.options);
  }

  test("holds a variable for every flag that has a meaning for a server", () => {
    const without = listUsages().filter(({ variable }) => variable === undefined);
    expect(without.map(({ name }) => name)).toEqual([
      "-h",
      "-V",
      "-i",
      "--ping",
      "--top",
      "--hash-password",
      "--help",
      "--version",
    ]);
    expect(listUsages().filter(({ variable }) => variable !== undefined)).toBeArrayOfSize(
      Object.keys(defaults).length,
    );
  });

  test.each<[Environment, Partial<Options>]>([
    [{ MEMCACHEQ_PORT: "11211" }, { port: 11211 }],
    [
      { MEMCACHEQ_ADDRESS: "::1", MEMCACHEQ_SOCKET_MODE: "660" },
      { address: [{ hostname: "::1", port: undefined }], socketMode: 0o660 },
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
    [{ MEMCACHEQ_PORT: "udp://10.0.0.5:22201", MEMCACHEQ_UDP_PORT: "tcp://10.0.0.5:22201" }, {}],
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
    ["VERBOSITY", "3", "how often it is given is a number from 0 to 2"],
    [
      "ADDRESS",
      "tcp://127.0.0.1:22201",
      "addresses are needed, with commas between, each with or without a port: 127.0.0.1, [::1]:22201, localhost",
    ],
    ["PORT", "http://10.0.0.5", "a port is a number from 0 to 65535"],
    ["NO_SYNC", "maybe", "1, true, yes, on is yes, and 0, false, no, off is no"],
    ["NO_SYNC", "constructor", "1, true, yes, on is yes, and 0, false, no, off is no"],
  ])("MEMCACHEQ_%s=%s is named when it is wrong", (variable, value, rule) => {
    const name = `MEMCACHEQ_${variable}`;
    expect(complaint([], { [name]: value })).toBe(`${name}=${value}: ${rule} (see memcacheq -h)`);
  });

  test("has spelling mistakes, and variables that Kubernetes made", () => {
    const environment = {
      MEMCACHEQ_PROT: "1",
      MEMCACHEQ_PORT: "1",
      MEMCACHEQ_SERVICE_HOST: "10.0.0.1",
      MEMCACHEQ_SERVICE_PORT_QUEUE: "22201",
      MEMCACHEQ_PORT_22201_TCP: "tcp://10.0.0.1:22201",
      MEMCACHEQ_PORT_22201_TCP_PROTO: "tcp",
      MEMCACHEQ_UDP_PORT: "udp://10.0.0.1:22201",
      MEMCACHEQ_UDP_SERVICE_PORT: "22201",
      MEMCACHEQ: "1",
      MEMCACHEQX_PORTS: "1",
    };
    expect(unknownVariables(environment)).toEqual(["MEMCACHEQ_PROT"]);
  });

  test("is not asked for help", () => {
    expect(parseCommandLine(["-h"], { MEMCACHEQ_PORT: "wrong" })).toEqual({ action: "help" });
  });
});
