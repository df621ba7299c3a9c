/** Several servers on the same queues. */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";

import { databases } from "./database.ts";
import { ask, drain, newServer, operation, put, run, type Server, take, told } from "./shop.ts";

const { port, make } = databases();
const open = new Set<Server>();

afterAll(async () => void (await Promise.all([...open].map(({ backend }) => backend.close()))));

async function newServers(
  count: number,
  queue: string[] = [],
): Promise<{ database: string; servers: Server[] }> {
  const database = await make();
  const at = await port();
  const servers = await Promise.all(
    Array.from({ length: count }, () => newServer(at, database, { queue })),
  );
  for (const server of servers) open.add(server);
  return { database, servers };
}

/** Waits until it is so: other servers do their part in their own time. */
async function until(isSo: () => boolean | Promise<boolean>, seconds = 30): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await Bun.sleep(5)) {
    if (await isSo()) return;
  }
  throw new Error(`it is not so after ${seconds} seconds: ${isSo}`);
}

test("take messages in the order of the sets, each one once", async () => {
  const { servers } = await newServers(4);
  const [first] = servers as [Server];
  const sets = servers.map(async (server, i) => {
    for (let n = 0; n < 25; n++)
      await run(server, put("q", `${i}-${n * 2}`), put("q", `${i}-${n * 2 + 1}`));
  });
  await Promise.all(sets);
  const found = await Promise.all(servers.map((server) => drain(server, "q")));
  expect(found.flat().length).toBe(200);
  expect(new Set(found.flat()).size).toBe(200);
  // What one server was given of one producer keeps its order.
  for (const bodies of found) {
    for (const i of servers.keys()) {
      const numbers = bodies
        .filter((body) => body.startsWith(`${i}-`))
        .map((body) => Number(body.slice(2)));
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    }
  }
  expect(await first.backend.summary("q")).toMatchObject({
    messages: 0,
    sets: 200,
    gets: 200,
    bytes: 0,
  });
});

test("wake clients of each other", async () => {
  const { servers } = await newServers(2);
  const [a, b] = servers as [Server, Server];
  b.awaited.add("q").add("new");
  await run(a, put("q", "first"));
  expect(await ask(b, take("q"))).toBe("first");
  expect(await ask(b, take("q"))).toBe("absent");
  expect(await ask(b, take("new"))).toBe("absent");
  await run(a, put("q", "second"), put("q", "third"));
  await until(() => b.ready.includes("q 2"));
  await run(a, put("new", "one"));
  await until(() => b.ready.includes("new 1"));
  expect(await ask(b, take("q"))).toBe("second");
});

test("wake clients for messages whose delay or lease is over", async () => {
  const { servers } = await newServers(2);
  const [a, b] = servers as [Server, Server];
  b.awaited.add("q").add("leased");
  await run(a, put("q", "late", { delay: 300 }), put("leased", "again"));
  expect(await ask(a, operation("lease", "leased", { lease: 300 }))).toBe("again");
  expect(await ask(b, take("q"))).toBe("absent");
  expect(await ask(b, take("leased"))).toBe("absent");
  await until(() => b.ready.includes("q 1") && b.ready.includes("leased 1"));
  const again = take("leased");
  await run(b, again);
  expect([told(again), again.deliveries]).toEqual(["again", 1]);
});

test("bury what nobody asks for", async () => {
  const { servers } = await newServers(2, ["q:deliveries=1"]);
  const [a, b] = servers as [Server, Server];
  await run(a, put("q", "poison"));
  expect(await ask(a, operation("lease", "q", { lease: 100 }))).toBe("poison");
  await until(async () => (await b.backend.summary("q.dead"))?.messages === 1);
  expect(await b.backend.summary("q")).toMatchObject({ messages: 0, leased: 0, dead: 1 });
  expect(await ask(b, take("q.dead"))).toBe("poison");
});

test("get back what a killed one had open", async () => {
  const { servers, database } = await newServers(2);
  const [a, b] = servers as [Server, Server];
  await run(a, put("q", "one"), put("q", "two"));
  const fixture = join(import.meta.dir, "server.fixture.ts");
  const killed = Bun.spawn(["bun", fixture, `${await port()}`, database, "q"], { stdout: "pipe" });
  const { value } = await killed.stdout.getReader().read();
  expect(
    Buffer.from(value ?? [])
      .toString()
      .trim(),
  ).toBe("one");
  killed.kill("SIGKILL");
  const killedAt = Date.now();
  b.awaited.add("q");
  expect(await ask(b, take("q"))).toBe("two");
  expect(await ask(b, take("q"))).toBe("absent");
  await until(() => b.ready.includes("q 1"), 25);
  expect(Date.now() - killedAt).toBeLessThan(20_000);
  expect(await ask(b, take("q"))).toBe("one");
});

test("get back at once what a stopped one had open", async () => {
  const { servers } = await newServers(2);
  const [a, b] = servers as [Server, Server];
  await run(a, put("q", "one"));
  expect(await ask(a, operation("open", "q", { consumer: a.backend.newConsumer() }))).toBe("one");
  await a.backend.close();
  open.delete(a);
  expect(await ask(b, take("q"))).toBe("one");
});

test("notice a queue that another one deleted and made again", async () => {
  const { servers } = await newServers(2);
  const [a, b] = servers as [Server, Server];
  await run(a, put("q", "old"));
  expect(await ask(b, operation("peek", "q"))).toBe("old");
  await run(a, operation("delete", "q"));
  expect(await ask(b, take("q"))).toBe("absent");
  await run(a, put("q", "new"));
  const one = take("q");
  await run(b, one);
  expect([told(one), one.number]).toEqual(["new", 1]);
});

test("take away expired messages that nobody asks for", async () => {
  const { servers } = await newServers(1, ["q:expiry=drop"]);
  const [a] = servers as [Server];
  await run(a, put("q", "old", { expires: Date.now() + 200 }), put("q", "new"));
  await until(async () => {
    await a.backend.maintain();
    return (await a.backend.summary("q"))?.expired === 1;
  });
  expect(await a.backend.summary("q")).toMatchObject({ messages: 1, gets: 1 });
});
