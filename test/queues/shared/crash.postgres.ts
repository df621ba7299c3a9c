/** PostgreSQL that is killed and starts again, and that stays away. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";

import { type Cluster, startCluster } from "./cluster.ts";
import { consume, faults, newLedger, produce } from "./ledger.ts";
import { ask, drain, newServer, operation, put, run, type Server, take, told } from "./shop.ts";

setDefaultTimeout(180_000);

let cluster: Cluster;

beforeAll(async () => void (cluster = await startCluster()));
afterAll(() => cluster.dispose());

/** Kills all processes of PostgreSQL at once. */
async function kill(): Promise<void> {
  const pid = cluster.pid();
  const children = Bun.spawnSync(["ps", "-o", "pid=", "--ppid", `${pid}`])
    .stdout.toString()
    .trim()
    .split(/\s+/);
  for (const each of [pid, ...children.map(Number)]) {
    try {
      process.kill(each, "SIGKILL");
    } catch {
      // It is gone already.
    }
  }
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await Bun.sleep(20)) {
    if (Bun.spawnSync(["kill", "-0", `${pid}`], { stderr: "ignore" }).exitCode !== 0) return;
  }
}

test("nothing is lost or doubled when PostgreSQL is killed again and again", async () => {
  const database = await cluster.newDatabase();
  const servers = await Promise.all(
    [1, 2, 3].map(() => newServer(cluster.port, database, { graceMs: 60_000 })),
  );
  const [a, b, c] = servers as [Server, Server, Server];
  const ledger = newLedger();
  let isOver = false;
  const work = [
    produce(a, "a", () => isOver, ledger),
    produce(b, "b", () => isOver, ledger),
    consume(b, () => isOver, ledger),
    consume(c, () => isOver, ledger),
  ];
  for (let n = 0; n < 4; n++) {
    const before = ledger.stored.size;
    while (ledger.stored.size < before + 100) await Bun.sleep(10);
    await kill();
    await cluster.start();
  }
  const before = ledger.stored.size;
  while (ledger.stored.size < before + 100) await Bun.sleep(10);
  isOver = true;
  await Promise.all(work);
  await b.backend.close();
  await c.backend.close();
  ledger.delivered.push(...(await drain(a, "q")));
  expect(faults(ledger)).toEqual({ lost: [], twice: [], refused: [] });
  expect(await a.backend.summary("q")).toMatchObject({ messages: 0, bytes: 0, open: 0 });
  await a.backend.close();
});

test("operations wait for PostgreSQL as long as they are told to, and then tell what is so", async () => {
  const database = await cluster.newDatabase();
  const server = await newServer(cluster.port, database, { graceMs: 1000 });
  const consumer = server.backend.newConsumer();
  await run(server, put("q", "one"), put("q", "two"));
  expect(await ask(server, operation("open", "q", { consumer }))).toBe("one");
  cluster.stop("fast");
  const begun = performance.now();
  const [set, nothing] = await run(server, put("q", "three"), operation("none"));
  expect(told(set as never)).toMatch(
    /^failed: PostgreSQL is away \(.*\): (nothing was stored|outcome unknown)$/,
  );
  expect(nothing?.outcome).toBe("done");
  expect(performance.now() - begun).toBeGreaterThan(900);
  // The first one may have been on its way when the connection ended.
  expect(await ask(server, put("q", "four"))).toMatch(/: nothing was stored$/);
  expect(server.backend.shortage()).toMatch(/^PostgreSQL is away/);
  expect(await ask(server, operation("release", "", { consumer, inVain: true }))).toMatch(
    /^failed/,
  );
  await cluster.start();
  while ((await ask(server, operation("peek", "q"))) !== "one") await Bun.sleep(50);
  expect(server.backend.shortage()).toBeUndefined();
  const again = take("q");
  await run(server, again);
  expect([told(again), again.deliveries]).toEqual(["one", 1]);
  expect((await drain(server, "q")).filter((body) => body !== "three")).toEqual(["two"]);
  await server.backend.close();
});
