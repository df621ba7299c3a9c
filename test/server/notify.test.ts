/** Readiness as systemd is told it, over a real datagram socket. */
import { dlopen } from "bun:ffi";
import { expect, test } from "bun:test";
import { closeSync } from "node:fs";
import { join } from "node:path";

import { builds, eventually, run, scratch, start, suite } from "./harness.ts";

suite();

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

/** Opened where it is needed: on other systems there is no such library. */
function openLibrary() {
  const { symbols } = dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "buffer", "u32"], returns: "i32" },
    recv: { args: ["i32", "buffer", "u64", "i32"], returns: "i32" },
  });
  return symbols;
}

/** Receives datagrams at a Unix socket, which Bun itself cannot. `@` begins the path of one that is in no directory. */
function receiver(path: string) {
  const { socket, bind, recv } = openLibrary();
  const fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  const address = Buffer.from(`\x01\0${path.replace(/^@/, "\0")}`);
  if (bind(fd, address, address.length) !== 0) throw new Error(`${path} cannot be bound`);
  const buffer = Buffer.alloc(4096);
  return {
    next: () =>
      eventually("a datagram", () => {
        const length = recv(fd, buffer, buffer.length, MSG_DONTWAIT);
        return length < 0 ? undefined : buffer.toString("utf8", 0, length);
      }),
    [Symbol.dispose]: () => closeSync(fd),
  };
}

const paths = ["a path", "an abstract name"] as const;

test.each(builds.flatMap((build) => paths.map((kind) => [kind, build] as const)))(
  "the service manager at %s is told (%s)",
  async (kind, build) => {
    const path =
      kind === "a path" ? join(scratch(), "notify") : `@memcacheq-${crypto.randomUUID()}`;
    using manager = receiver(path);
    const server = await start([], { build, environment: { NOTIFY_SOCKET: path } });
    expect(await manager.next()).toBe(`READY=1\nSTATUS=listening on 127.0.0.1:${server.port}`);
    const client = await server.connect();
    await client.inStep();
    const ended = server.stop();
    expect(await manager.next()).toBe("STOPPING=1");
    expect((await ended).code).toBe(0);
  },
);

test("a server that cannot start is not said to be ready", async () => {
  const path = join(scratch(), "notify");
  using manager = receiver(path);
  const { code } = await run(["-H", "/dev/null/no"], { environment: { NOTIFY_SOCKET: path } });
  expect(code).toBe(1);
  // The first word that comes is the next server's.
  const server = await start([], { environment: { NOTIFY_SOCKET: path } });
  expect(await manager.next()).toStartWith("READY=1\n");
  await server.stop();
});

test("a service manager that is gone is a line in the log", async () => {
  const path = join(scratch(), "nobody");
  const server = await start([], { environment: { NOTIFY_SOCKET: path } });
  await server.logged(/error NOTIFY_SOCKET=.*nobody: the service manager cannot be told READY=1/);
  expect((await server.stop()).code).toBe(0);
});
