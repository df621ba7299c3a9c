/** Producers and consumers that know what was acknowledged. */
import { operation, put, run, type Server, take, told } from "./shop.ts";

export interface Ledger {
  /** Acknowledged sets. */
  stored: Set<string>;
  /** Nothing is known of them: they may be there, or not. */
  unknown: Set<string>;
  /** They were told that nothing was stored. */
  refused: Set<string>;
  delivered: string[];
}

export function newLedger(): Ledger {
  return { stored: new Set(), unknown: new Set(), refused: new Set(), delivered: [] };
}

/** Sets messages in groups of some. */
export async function produce(
  server: Server,
  name: string,
  isOver: (group: number) => boolean,
  ledger: Ledger,
): Promise<void> {
  for (let n = 0; !isOver(n); n++) {
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

/** Takes messages, or opens them and closes them. */
export async function consume(
  server: Server,
  isOver: () => boolean,
  ledger: Ledger,
): Promise<void> {
  const consumer = server.backend.newConsumer();
  for (let n = 0; !isOver(); n++) {
    const opens = n % 3 === 0;
    const takes = opens
      ? [operation("open", "q", { consumer })]
      : [take("q"), take("q"), take("q")];
    await run(server, ...takes);
    const bodies = takes.filter(({ outcome }) => outcome === "done").map(told);
    if (!opens) ledger.delivered.push(...bodies);
    else if (bodies[0] !== undefined) await close(server, consumer, bodies[0], ledger);
  }
}

/** An open message counts as delivered when its close is answered. */
async function close(
  server: Server,
  consumer: ReturnType<Server["backend"]["newConsumer"]>,
  body: string,
  ledger: Ledger,
): Promise<void> {
  const one = operation("close", "q", { consumer });
  await run(server, one);
  if (one.outcome === "done") ledger.delivered.push(body);
  else if (/unknown/.test(one.error)) ledger.unknown.add(body);
}

/** What is wrong: acknowledged messages that were not delivered, and those that came twice, or were refused. */
export function faults({ stored, unknown, refused, delivered }: Ledger): {
  lost: string[];
  twice: string[];
  refused: string[];
} {
  const seen = new Map<string, number>();
  for (const body of delivered) seen.set(body, (seen.get(body) ?? 0) + 1);
  return {
    lost: [...stored].filter((body) => !seen.has(body) && !unknown.has(body)),
    twice: [...seen].filter(([, times]) => times > 1).map(([body]) => body),
    refused: [...refused].filter((body) => seen.has(body)),
  };
}
