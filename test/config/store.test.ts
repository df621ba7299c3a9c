import { describe, expect, test } from "bun:test";

import { parseCommandLine } from "../../src/config/command_line.ts";
import { type StoreAddress, storeName } from "../../src/config/store_address.ts";
import { complaint } from "./lines.ts";

function storeOf(args: readonly string[], environment: Record<string, string> = {}): StoreAddress {
  const commandLine = parseCommandLine(args, environment);
  if (commandLine.action !== "run" || commandLine.options.store === undefined) {
    throw new Error("no store");
  }
  return commandLine.options.store;
}

const plain: StoreAddress = {
  hosts: [{ host: "db", port: 5432 }],
  user: "me",
  database: "queues",
  password: undefined,
  sslmode: "prefer",
  sslrootcert: undefined,
};

describe("a store", () => {
  test.each<[string, Partial<StoreAddress>]>([
    ["postgres://me@db/queues", {}],
    ["postgresql://me@db/queues", {}],
    ["postgres://me@db", { database: "me" }],
    ["postgres://me@db/", { database: "me" }],
    ["postgres://m%65@db/%71ueues", {}],
    [
      "postgres://me@db1:6432,db2,[::1]:1/queues",
      {
        hosts: [
          { host: "db1", port: 6432 },
          { host: "db2", port: 5432 },
          { host: "::1", port: 1 },
        ],
      },
    ],
    [
      "postgres://me@%2Fvar%2Frun%2Fpostgresql/queues",
      { hosts: [{ host: "/var/run/postgresql", port: 5432 }] },
    ],
    [
      "postgres://me@/queues?host=/var/run/postgresql:5433",
      { hosts: [{ host: "/var/run/postgresql", port: 5433 }] },
    ],
    [
      "postgres://me@db/queues?sslmode=verify-full&sslrootcert=/etc/ca.pem",
      { sslmode: "verify-full", sslrootcert: "/etc/ca.pem" },
    ],
  ])("%s", (url, expected) => {
    expect(storeOf(["--store", url])).toEqual({ ...plain, ...expected });
    expect(storeOf([], { MEMCACHEQ_STORE: url })).toEqual({ ...plain, ...expected });
  });

  test("has a password in the environment only, which is never repeated", () => {
    const url = "postgres://me:se%63ret@db/queues";
    expect(storeOf([], { MEMCACHEQ_STORE: url })).toEqual({ ...plain, password: "secret" });
    const said = complaint(["--store", url]);
    expect(said).toStartWith("--store: ps shows the command line, so no password is taken there");
    expect(said).not.toContain("se%63ret");
    const wrong = { MEMCACHEQ_STORE: "postgres://me:secret@db/queues?sslmode=maybe" };
    expect(() => storeOf([], wrong)).toThrow(
      "MEMCACHEQ_STORE: sslmode is one of disable, prefer, require, verify-ca, verify-full",
    );
    expect(() => storeOf([], { MEMCACHEQ_STORE: "me:secret@db" })).toThrow(
      /^MEMCACHEQ_STORE: a store is a URL: postgres:\/\/user@host\/database, [^;]*$/,
    );
  });

  test.each([
    "",
    "mysql://me@db/queues",
    "postgres://db/queues",
    "postgres://@db/queues",
    "postgres://me@/queues",
    "postgres://me@db,/queues",
    "postgres://me@db:0/queues",
    "postgres://me@db:65536/queues",
    "postgres://me@db/queues/more",
    "postgres://me@db/queues?application_name=x",
    "postgres://me@db/queues?sslmode=",
    "postgres://me@db/%zz",
    "postgres://me@[::1/queues",
  ])("is not %p", (url) => {
    const said = complaint(["--store", url]);
    expect(said).toStartWith("--store: ");
    if (url !== "") expect(said).not.toContain(url);
  });

  test("has a name for people", () => {
    const urls = [
      "postgres://me@db/queues",
      "postgres://me@db1:6432,[::1],%2Fvar%2Frun/a%2Fb",
      "postgres://me:secret@db",
    ];
    const names = urls.map((url) => storeName(storeOf([], { MEMCACHEQ_STORE: url })));
    expect(names).toEqual([
      "postgres://me@db/queues",
      "postgres://me@db1:6432,[::1],%2Fvar%2Frun/a%2Fb",
      "postgres://me@db/me",
    ]);
  });

  test.each(["-H x", "-A 4096", "-C 1", "-T 1", "-e 1", "-E 1", "-D 1", "-R", "--min-free 1m"])(
    "does not go with %s",
    (flags) => {
      const words = flags.split(" ");
      const said = `${words[0]}: it is about the database file of a server without --store`;
      expect(complaint(["--store", "postgres://me@db/q", ...words])).toStartWith(said);
      expect(() => storeOf(words, { MEMCACHEQ_STORE: "postgres://me@db/q" })).toThrow(said);
    },
  );

  test("goes with the settings of an image", () => {
    const image = { MEMCACHEQ_HOME: "/data", MEMCACHEQ_CHECKPOINT_SECONDS: "5" };
    expect(storeOf(["--store", "postgres://me@db/queues"], image)).toEqual(plain);
    expect(
      parseCommandLine(["--ping", "-H", "x"], { MEMCACHEQ_STORE: "postgres://me@db" }),
    ).toMatchObject({ action: "ping" });
  });

  test("is needed by its password file", () => {
    expect(complaint(["--store-password-file", "x"])).toBe(
      "--store-password-file: it needs --store (see memcacheq -h)",
    );
  });

  test("has a time that clients wait, in seconds", () => {
    const commandLine = parseCommandLine(["--store-grace", "7"]);
    expect(commandLine).toMatchObject({ options: { storeGrace: 7000 } });
    expect(complaint(["--store-grace", "x"])).toStartWith("--store-grace x: the time is a number");
  });
});
