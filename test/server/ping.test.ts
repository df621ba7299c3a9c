/** `--ping`, the health check that needs no shell. */
import { expect, test } from "bun:test";
import { join } from "node:path";

import { builds, freePort, run, scratch, start, suite, whileStopped } from "./harness.ts";

suite();

test.each(builds)("a server that answers is a success (%s)", async (build) => {
  const server = await start([], { build });
  const flags = ["-l", "127.0.0.1", "-p", String(server.port), "--ping"];
  expect(await run(flags, { build })).toEqual({ code: 0, stdout: "", stderr: "" });
  await server.stop();
  const { code, stderr } = await run(flags, { build });
  expect(stderr).toBe(`memcacheq: --ping 127.0.0.1:${server.port}: connection refused\n`);
  expect(code).toBe(1);
});

test.each([["::"], ["0.0.0.0"], ["::1"]])("a server on %s is asked here", async (address) => {
  const server = await start([], { address });
  const flags = ["--ping", "-l", address, "-p", String(server.port)];
  expect(await run(flags)).toEqual({ code: 0, stdout: "", stderr: "" });
  await server.stop();
});

test("a server on a Unix socket is asked there, as the environment says", async () => {
  const socket = join(scratch(), "mq.sock");
  const environment = { MEMCACHEQ_SOCKET: socket };
  expect((await run(["--ping"], { environment })).code).toBe(1);
  const server = await start([], { socket });
  expect(await run(["--ping"], { environment })).toEqual({ code: 0, stdout: "", stderr: "" });
  await server.stop();
});

test("a server that stands still is a failure after a second", async () => {
  const server = await start();
  const address = `127.0.0.1:${server.port}`;
  await whileStopped(server.pid, async () => {
    const since = performance.now();
    const { code, stderr } = await run(["--ping", "-p", String(server.port)]);
    expect(stderr).toBe(`memcacheq: --ping ${address}: no answer within 1000 ms\n`);
    expect(code).toBe(1);
    expect(performance.now() - since).toBeGreaterThan(1000);
  });
  expect((await run(["--ping", "-p", String(server.port)])).code).toBe(0);
  await server.stop();
});

test("one that is something else is a failure", async () => {
  const silent = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: (socket) => void socket.end(), data() {} },
  });
  const closed = await run(["--ping", "-p", String(silent.port)]);
  silent.stop(true);
  expect(closed.stderr).toEndWith("the connection was closed\n");
  expect(closed.code).toBe(1);
});

test("nothing listens on a free port", async () => {
  expect((await run(["--ping", "-p", String(freePort())])).code).toBe(1);
});
