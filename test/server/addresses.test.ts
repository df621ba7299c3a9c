/** Several addresses to listen on, and datagrams to each address of the machine. */
import { expect, test } from "bun:test";
import { networkInterfaces } from "node:os";

import { connect } from "./client.ts";
import { freePort, launch, run, scratch, start, suite, user } from "./harness.ts";

suite();

const flags = () => ["-v", "-u", user, "-H", scratch()];

/** The addresses of this machine that need no interface beside them. */
const addresses = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .filter((each) => !("scopeid" in each) || !each.scopeid)
  .map(({ address }) => address);

/** What comes back from a datagram: an answer, and from where, or that there is nothing at that address. */
async function ask(hostname: string, port: number, line: string) {
  const { promise, resolve } = Promise.withResolvers<{ from?: string; text: string }>();
  const socket = await Bun.udpSocket({
    hostname: hostname.includes(":") ? "::" : "0.0.0.0",
    socket: {
      data: (_socket, data, _port, from) =>
        resolve({ from: from.replace(/^::ffff:/, ""), text: data.toString("latin1", 8) }),
    },
  });
  socket.send(Buffer.from(`\0\x01\0\0\0\x01\0\0${line}\r\n`, "latin1"), port, hostname);
  return promise.finally(() => socket.close());
}

/** Whether the system refuses datagrams to that address. */
async function isRefused(hostname: string, port: number, line: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = await Bun.udpSocket({
    connect: { hostname, port },
    socket: { data: () => resolve(false), error: () => resolve(true) },
  });
  socket.send(Buffer.from(`\0\x01\0\0\0\x01\0\0${line}\r\n`, "latin1"));
  return promise.finally(() => socket.close());
}

test.each(["::", "0.0.0.0", undefined])(
  "a datagram to any address of the machine is answered from there (-l %s)",
  async (address) => {
    const port = freePort();
    const where = address === undefined ? [] : ["-l", address];
    const server = launch([...flags(), "-p", "0", "-U", `${port}`, ...where]);
    await server.logged(/listening on udp/);
    const served = addresses.filter((each) => address !== "0.0.0.0" || !each.includes(":"));
    expect(served.length).toBeGreaterThan(0);
    for (const each of served) {
      expect(await ask(each, port, `set q 0 0 1\r\nx`)).toEqual({ from: each, text: "STORED\r\n" });
      expect((await ask(each, port, "get q")).text).toBe("VALUE q 0 1\r\nx\r\nEND\r\n");
    }
    server.kill("SIGTERM");
    expect((await server.exit()).code).toBe(0);
  },
);

test.if(process.platform === "linux" && !addresses.includes("127.0.0.2"))(
  "a datagram to another address is refused, and nothing is taken for it",
  async () => {
    const port = freePort();
    const server = await start(["-U", `${port}`], { address: "0.0.0.0" });
    const client = await connect({ hostname: "127.0.0.1", port: server.port });
    await client.put("q", "x");
    expect(await isRefused("127.0.0.2", port, "get q")).toBe(true);
    expect(await client.take("q")).toBe("x");
    await server.stop();
  },
);

test("a port that is in use at one of the addresses ends the start", async () => {
  const port = freePort();
  const other = await Bun.udpSocket({ hostname: "127.0.0.1", port, socket: { data() {} } });
  const { code, stderr } = await run([...flags(), "-p", "0", "-U", `${port}`]);
  other.close();
  expect(stderr).toEndWith(
    `memcacheq: cannot listen on udp 127.0.0.1:${port}: the address is in use\n`,
  );
  expect(code).toBe(1);
});

test("several addresses, one with a port of its own", async () => {
  const [port, own, udp] = [freePort(), freePort(), freePort()];
  const listen = `127.0.0.1,127.0.0.1:${own},[::1]:${own}`;
  const server = launch([...flags(), "-p", `${port}`, "-U", `${udp}`, "-l", listen]);
  await server.logged(new RegExp(`listening on udp \\[::1\\]:${udp}$`, "m"));
  for (const address of [
    { hostname: "127.0.0.1", port },
    { hostname: "127.0.0.1", port: own },
    { hostname: "::1", port: own },
  ]) {
    const client = await connect(address);
    await client.put("q", "x");
    expect(await client.take("q")).toBe("x");
  }
  for (const each of ["127.0.0.1", "::1"]) {
    expect((await ask(each, udp, "version")).from).toBe(each);
  }
  expect((await run(["--ping", "-l", `[::1]:${own}`])).code).toBe(0);
  server.kill("SIGTERM");
  expect((await server.exit()).code).toBe(0);
});

test.each([
  [
    "fe80::1",
    "[fe80::1]:0: an address that begins with fe80 needs its interface, as in fe80::1%eth0",
  ],
  ["no.such.name.invalid", "no.such.name.invalid:0: no such address"],
  ["203.0.113.9", "203.0.113.9:0: no interface of this machine has the address"],
  ["256.1.1.1", "256.1.1.1:0: no such address"],
  ["127.0.0.1,256.1.1.1", "256.1.1.1:0: no such address"],
])("-l %s is refused in words", async (address, reason) => {
  const { code, stderr } = await run([...flags(), "-p", "0", "-l", address]);
  expect(stderr).toBe(`memcacheq: cannot listen on ${reason}\n`);
  expect(code).toBe(1);
});

test.each([
  ["no.such.name.invalid", "no such address"],
  ["fe80::1", "an address that begins with fe80 needs its interface, as in fe80::1%eth0"],
])("and for UDP alone: %s", async (address, reason) => {
  const udp = freePort();
  const { code, stderr } = await run([...flags(), "-p", "0", "-U", `${udp}`, "-l", address]);
  expect(stderr).toContain(reason);
  expect(stderr).not.toMatch(/E[A-Z]{4,}/);
  expect(code).toBe(1);
});
