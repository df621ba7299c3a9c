/** Connections that are cut at any byte: each message that was acknowledged is delivered once. */
import { expect, test } from "bun:test";

import { databases } from "./database.ts";
import { consume, faults, newLedger, produce } from "./ledger.ts";
import { newProxy } from "./proxy.ts";
import { drain, newServer, type Server } from "./shop.ts";

const { port, make } = databases();
const GROUPS = 200;

test("nothing is lost or doubled when connections are cut all the time", async () => {
  const database = await make();
  const proxy = newProxy(await port());
  const ledger = newLedger();
  const servers = await Promise.all(
    [1, 2, 3].map(() => newServer(proxy.port, database, { graceMs: 60_000 })),
  );
  const [a, b, c] = servers as [Server, Server, Server];
  // Long enough for a connection to be made, short enough for each to be cut soon.
  proxy.cutAfter(() => 3000 + Math.floor(Math.random() * 20_000));
  proxy.close(true);
  proxy.close(false);
  let isOver = false;
  const consumers = [consume(b, () => isOver, ledger), consume(c, () => isOver, ledger)];
  await Promise.all(
    ["a", "b"].map((name, i) => produce(servers[i] as Server, name, (n) => n === GROUPS, ledger)),
  );
  isOver = true;
  await Promise.all(consumers);
  const cuts = proxy.cuts();
  proxy.cutAfter(undefined);
  proxy.close(true);
  proxy.close(false);
  await b.backend.close();
  await c.backend.close();
  ledger.delivered.push(...(await drain(a, "q")));
  expect(cuts).toBeGreaterThan(20);
  expect(ledger.stored.size).toBeGreaterThan(4 * GROUPS);
  expect(faults(ledger)).toEqual({ lost: [], twice: [], refused: [] });
  await a.backend.close();
  proxy.stop();
});
