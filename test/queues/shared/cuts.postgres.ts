/** Connections that are cut at any byte: each message that was acknowledged is delivered once, in order. */
import { expect, test } from "bun:test";

import { databases } from "./database.ts";
import { newProxy } from "./proxy.ts";
import { drain, newServer, operation, put, run, type Server, take, told } from "./shop.ts";

const { port, make } = databases();

/** What became of messages. */
interface Ledger {
  stored: Set<string>;
  /** Nothing is known of them: they may be there, or not. */
  unknown: Set<string>;
  refused: Set<string>;
  delivered: string[];
}

async function produce(
  server: Server,
  name: string,
  groups: number,
  ledger: Ledger,
): Promise<void> {
  for (let n = 0; n < groups; n++) {
    const puts = Array.from({ length: 1 + (n % 7) }, (_, i) =>
      put("q", `${name}-${String(n * 10 + i).padStart(6, "0")}`),
    );
    await run(server, ...puts);
    for (const { outcome, body, start, end, error } of puts) {
      const text = body.toString("latin1", start, end);
      if (outcome === "done") ledger.stored.add(text);
      else if (/unknown/.test(error)) ledger.unknown.add(text);
      else ledger.refused.add(text);
    }
  }
}

async function consume(server: Server, isOver: () => boolean, ledger: Ledger): Promise<void> {
  const consumer = server.backend.newConsumer();
  for (let n = 0; !isOver(); n++) {
    const takes =
      n % 3 === 0 ? [operation("open", "q", { consumer })] : [take("q"), take("q"), take("q")];
    await run(server, ...takes);
    const bodies = takes.map(told).filter((text) => text.includes("-"));
    if (n % 3 > 0) ledger.delivered.push(...bodies);
    else if (takes[0]?.outcome === "done")
      await closeOpen(server, consumer, bodies[0] as string, ledger);
  }
}

/** An open message counts as delivered when its close is answered, or may have been done. */
async function closeOpen(
  server: Server,
  consumer: ReturnType<Server["backend"]["newConsumer"]>,
  body: string,
  ledger: Ledger,
): Promise<void> {
  const close = operation("close", "q", { consumer });
  await run(server, close);
  if (close.outcome === "done") ledger.delivered.push(body);
  else if (/unknown/.test(close.error)) ledger.unknown.add(body);
}

test("of connections that are cut all the time", async () => {
  const database = await make();
  const proxy = newProxy(await port());
  const ledger: Ledger = {
    stored: new Set(),
    unknown: new Set(),
    refused: new Set(),
    delivered: [],
  };
  // Long enough for a connection to be made, short enough for each to be cut soon.
  const servers = await Promise.all(
    [1, 2, 3].map(() => newServer(proxy.port, database, { graceMs: 60_000 })),
  );
  proxy.cutAfter(() => 3000 + Math.floor(Math.random() * 20_000));
  proxy.close(true);
  proxy.close(false);
  let isOver = false;
  const [a, b, c] = servers as [Server, Server, Server];
  const consumers = [consume(b, () => isOver, ledger), consume(c, () => isOver, ledger)];
  await Promise.all([produce(a, "a", 200, ledger), produce(b, "b", 200, ledger)]);
  isOver = true;
  await Promise.all(consumers);
  const cuts = proxy.cuts();
  proxy.cutAfter(undefined);
  proxy.close(true);
  proxy.close(false);
  for (const consumer of [b, c])
    await run(consumer, operation("check", "q", { consumer: consumer.backend.newConsumer() }));
  await b.backend.close();
  await c.backend.close();
  ledger.delivered.push(...(await drain(a, "q")));
  expect(cuts).toBeGreaterThan(20);
  expect(ledger.refused.size).toBe(0);
  const seen = new Map<string, number>();
  for (const body of ledger.delivered) seen.set(body, (seen.get(body) ?? 0) + 1);
  const lost = [...ledger.stored].filter((body) => !seen.has(body) && !ledger.unknown.has(body));
  const twice = [...seen].filter(([, times]) => times > 1).map(([body]) => body);
  expect({ lost, twice }).toEqual({ lost: [], twice: [] });
  expect(ledger.stored.size).toBeGreaterThan(1000);
  await a.backend.close();
  proxy.stop();
});
