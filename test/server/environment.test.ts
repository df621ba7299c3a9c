/** The environment in place of the command line, at the real process. */
import { expect, test } from "bun:test";
import { join } from "node:path";

import { connect } from "./client.ts";
import { freePort, launch, run, scratch, start, suite, user } from "./harness.ts";

suite();

test("a server needs no command line", async () => {
  const socket = join(scratch(), "mq.sock");
  const environment = {
    MEMCACHEQ_SOCKET: socket,
    MEMCACHEQ_HOME: join(scratch(), "home"),
    MEMCACHEQ_USER: user,
    MEMCACHEQ_VERBOSITY: "2",
    MEMCACHEQ_MAX_BODY: "5",
  };
  const server = launch([], { environment });
  await server.logged(/listening on /);
  const client = await connect({ unix: socket });
  await client.put("q", "12345");
  client.send("set q 0 0 6\r\n123456\r\n");
  expect(await client.line()).toBe("SERVER_ERROR object too large for cache");
  server.kill("SIGTERM");
  const { code, stderr } = await server.exit();
  expect(code).toBe(0);
  expect(stderr).toContain("set q 0 0 5");
});

test("the command line wins", async () => {
  const environment = { MEMCACHEQ_PORT: String(freePort()), MEMCACHEQ_MAX_BODY: "1" };
  const server = await start(["-B", "5"], { environment });
  expect(server.port).not.toBe(Number(environment.MEMCACHEQ_PORT));
  const client = await server.connect();
  await client.put("q", "12345");
  expect((await server.stop()).code).toBe(0);
});

test("a wrong value ends the start, and its variable is named", async () => {
  const { code, stdout, stderr } = await run([], { environment: { MEMCACHEQ_PORT: "many" } });
  expect(stderr).toBe(
    "memcacheq: MEMCACHEQ_PORT=many: a port is a number from 0 to 65535 (see memcacheq -h)\n",
  );
  expect(stdout).toBe("");
  expect(code).toBe(1);
});

test("a daemon is started by a variable, too", async () => {
  const home = join(scratch(), "home");
  const port = String(freePort());
  const environment = { MEMCACHEQ_DAEMON: "1", MEMCACHEQ_ADDRESS: "127.0.0.1" };
  const { code } = await run(["-u", user, "-H", home, "-p", port], { environment });
  expect(code).toBe(0);
  const client = await connect({ hostname: "127.0.0.1", port: Number(port) });
  await client.inStep();
  await client.end();
});
