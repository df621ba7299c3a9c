/** Takes everything that a server has, and compares it with what it acknowledged. */
import { Database } from "bun:sqlite";
import { cpSync, existsSync, rmSync } from "node:fs";

import { type Counters, fault, type Ledger, noteEmptied } from "./ledger.ts";
import { databaseIn, type Server, start } from "./server.ts";
import { takeStock } from "./stock.ts";
import { ask, connect, type Value, type Wire } from "./wire.ts";

/** Queues are drained with so many keys in a `get`. */
const KEYS = 64;
/** How long the server may take to notice that a connection ended, milliseconds. */
const PATIENCE = 5000;

/** Starts a server on a copy of a stopped server's home, and checks all that it has against the ledger. */
export async function auditCopy(ledger: Ledger, home: string, flags: string[]): Promise<void> {
  const copy = `${home}.copy`;
  rmSync(copy, { recursive: true, force: true });
  cpSync(home, copy, { recursive: true });
  const server = await start({ home: copy, flags });
  await audit(ledger, server);
  await server.stop();
  checkFile(ledger, copy);
  rmSync(copy, { recursive: true, force: true });
}

/** Drains a server to which nobody else is connected, and checks what it had against the ledger. */
export async function auditInPlace(ledger: Ledger, server: Server): Promise<void> {
  await audit(ledger, server);
  noteEmptied(ledger);
}

async function audit(ledger: Ledger, server: Server): Promise<void> {
  const wire = await connect(server.address);
  await untilAlone(wire);
  const counters = await countersOf(wire);
  const found = new Map<string, Value[]>();
  for (const queue of counters.keys()) {
    await checkDetails(ledger, wire, queue, async () => {
      const values = await drain(wire, queue);
      found.set(queue, values);
      return values;
    });
  }
  wire.reset();
  takeStock(ledger, found, counters);
}

/** Those who left have given back what they had open only when the server has noticed. */
async function untilAlone(wire: Wire): Promise<void> {
  for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; await Bun.sleep(1)) {
    const { stats } = await ask(wire, "stats\r\n", "list");
    if (stats.includes("curr_connections 1")) return;
  }
  throw new Error(`connections that ended are still counted after ${PATIENCE} ms`);
}

/** `stats queue`. */
export async function countersOf(wire: Wire): Promise<Map<string, Counters>> {
  const { stats } = await ask(wire, "stats queue\r\n", "list");
  return new Map(
    stats.map((text) => {
      const [, name = "", sets = NaN, gets = NaN] = /^(.*) (\d+)\/(\d+)$/.exec(text) ?? [];
      return [name, { sets: Number(sets), gets: Number(gets) }];
    }),
  );
}

/** Takes all messages of a queue. */
export async function drain(wire: Wire, queue: string): Promise<Value[]> {
  const values: Value[] = [];
  for (;;) {
    const reply = await ask(wire, `get${` ${queue}`.repeat(KEYS)}\r\n`, "list");
    if (reply.line !== "END") throw new Error(`a get of ${queue} is answered ${reply.line}`);
    values.push(...reply.values);
    if (reply.values.length < KEYS) return values;
  }
}

/** The queue's details before and after its messages are taken agree with them. */
async function checkDetails(
  ledger: Ledger,
  wire: Wire,
  queue: string,
  take: () => Promise<Value[]>,
): Promise<void> {
  const before = await detailsOf(wire, queue);
  const values = await take();
  const after = await detailsOf(wire, queue);
  const bytes = values.reduce((sum, { body }) => sum + body.length, 0);
  const expected = { messages: values.length, bytes, open: 0 };
  for (const [name, number] of Object.entries(expected)) {
    if (before[name] !== number) {
      fault(ledger, `${queue}: ${name} is ${before[name]}, and it has ${number}`);
    }
    if (after[name] !== 0) fault(ledger, `${queue}: ${name} is ${after[name]}, and it is empty`);
  }
  if (after.gets !== after.sets) fault(ledger, `${queue}: ${after.sets}/${after.gets} when empty`);
}

/** `stats queue <name>`. */
export async function detailsOf(wire: Wire, queue: string): Promise<Record<string, number>> {
  const { stats } = await ask(wire, `stats queue ${queue}\r\n`, "list");
  return Object.fromEntries(
    stats.map((text) => {
      const [name = "", number = ""] = text.split(" ");
      return [name, Number(number)];
    }),
  );
}

/** SQLite's own check of the file that a stopped server leaves. */
export function checkFile(ledger: Ledger, home: string): void {
  const file = databaseIn(home);
  if (!existsSync(file)) return fault(ledger, `${file} is not there`);
  using database = new Database(file, { readonly: true });
  const rows = database.query<{ integrity_check: string }, []>("PRAGMA integrity_check").all();
  const texts = rows.map(({ integrity_check }) => integrity_check).join("; ");
  if (texts !== "ok") fault(ledger, `PRAGMA integrity_check: ${texts}`);
}
