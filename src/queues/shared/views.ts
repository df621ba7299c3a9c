import { BackendError } from "../backend.ts";
import type { HeldMessages, MessagePreview, QueueSummary } from "../summary.ts";
import { plainReason } from "./errors.ts";
import { AwayError, connected } from "./grace.ts";
import { bytesOf, nameOf } from "./names.ts";
import type { Shared } from "./state.ts";
import { type Summary, summaryOf } from "./summary.ts";

/* What people look at. It is read beside the turns. */

const PORTION = 500;

/** @throws BackendError */
async function ask<T>(shared: Shared, text: string, values: unknown[]): Promise<T[]> {
  try {
    const link = await connected(shared, deadlineOf(shared));
    return await link.asks.unsafe<T[]>(text, values);
  } catch (error) {
    throw new BackendError(reasonForPeople(error));
  }
}

/** The id of the queue: another server may have deleted it since it was used here. */
async function idNow(shared: Shared, name: string): Promise<number | undefined> {
  const [found] = await ask<{ id: number | null }>(shared, "select (memcacheq.find($1))[1] as id", [
    [bytesOf(name)],
  ]);
  return found?.id ?? undefined;
}

function reasonForPeople(error: unknown): string {
  if (error instanceof AwayError) return `PostgreSQL is away (${error.message})`;
  return plainReason(error);
}

function deadlineOf({ options }: Shared): number {
  return options.clock.monotonic() + options.graceMs;
}

export async function* summariesOf(
  shared: Shared,
  names?: readonly string[],
): AsyncGenerator<QueueSummary[]> {
  if (names !== undefined) {
    for (let from = 0; from < names.length; from += PORTION) {
      yield await summariesNamed(shared, names.slice(from, from + PORTION));
    }
    return;
  }
  for (let after = 0, isFirst = true; ; isFirst = false) {
    const [found] = await ask<{ part: { queues: Summary[]; totals: object | null } }>(
      shared,
      "select memcacheq.listed($1, $2, $3) as part",
      [after, PORTION, isFirst],
    );
    const { queues = [], totals } = found?.part ?? {};
    if (totals !== null) Object.assign(shared.usage, totals);
    yield queues.map((queue) => summaryOf(shared, queue));
    if (queues.length < PORTION) return;
    after = queues.at(-1)?.id ?? 0;
  }
}

async function summariesNamed(shared: Shared, names: readonly string[]): Promise<QueueSummary[]> {
  const rows = await ask<{ summary: Summary | null }>(
    shared,
    "select memcacheq.summary(id, memcacheq.now_ms()) as summary from unnest(memcacheq.find($1)) with ordinality q (id, at) order by at",
    [names.map(bytesOf)],
  );
  return rows.flatMap(({ summary }) => (summary === null ? [] : [summaryOf(shared, summary)]));
}

export async function summaryNamed(
  shared: Shared,
  name: string,
): Promise<QueueSummary | undefined> {
  const [summary] = await summariesNamed(shared, [name]);
  return summary;
}

interface PreviewRow {
  number: number;
  flags: number;
  length: number;
  body: Buffer;
  arrived: number;
  kind: string;
  /** Milliseconds from now. */
  due: number | null;
  deliveries: number;
  origin: Buffer | null;
  origin_number: number | null;
  reason: string | null;
}

export async function previewsNamed(
  shared: Shared,
  name: string,
  most: { messages: number; bytes: number },
  after = 0,
): Promise<MessagePreview[] | undefined> {
  const id = await idNow(shared, name);
  if (id === undefined) return undefined;
  const now = shared.options.clock.monotonic();
  const rows = await ask<PreviewRow>(shared, "select * from memcacheq.previews($1, $2, $3, $4)", [
    id,
    most.messages,
    Math.min(most.bytes, 2 ** 30),
    after,
  ]);
  return rows.map(({ number, flags, length, body, arrived, kind, due, deliveries, ...moved }) => ({
    number,
    flags: flags >>> 0,
    length,
    body: Buffer.from(body),
    arrived,
    open: kind === "o",
    leased: kind === "l",
    due: due === null ? undefined : now + due,
    deliveries,
    moved: movedFrom(moved),
  }));
}

function movedFrom({
  origin,
  origin_number,
  reason,
}: Pick<PreviewRow, "origin" | "origin_number" | "reason">): MessagePreview["moved"] {
  if (origin === null || reason === null) return undefined;
  return {
    origin: nameOf(Buffer.from(origin).toString("hex")),
    number: origin_number ?? 0,
    reason,
  };
}

interface HeldRow {
  kind: string;
  number: number;
  told: number;
  deliveries: number;
  length: number;
  client: string | null;
  ms: number;
}

export async function heldNamed(shared: Shared, name: string, most: number): Promise<HeldMessages> {
  const held: HeldMessages = { open: [], leased: [], delayed: [] };
  const id = await idNow(shared, name);
  if (id === undefined) return held;
  const now = shared.options.clock.monotonic();
  const rows = await ask<HeldRow>(shared, "select * from memcacheq.held_messages($1, $2)", [
    id,
    Math.min(most, 2 ** 31 - 1),
  ]);
  for (const { kind, number, told, deliveries, length, client, ms } of rows) {
    const delivery = { number, told, deliveries, length };
    if (kind === "o") held.open.push({ ...delivery, client: client ?? "", openedAt: now + ms });
    else if (kind === "l")
      held.leased.push({ ...delivery, client: client ?? undefined, until: now + ms });
    else held.delayed.push({ number, deliveries, due: now + ms });
  }
  return held;
}
