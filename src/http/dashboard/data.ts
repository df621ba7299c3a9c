import type { Options } from "../../config/options.ts";
import { storeName } from "../../config/store_address.ts";
import { MEGA } from "../../config/values.ts";
import { type Account, isAdmin, maySee } from "../../engine/access/account.ts";
import type { Engine } from "../../engine/engine.ts";
import type { MessagePreview } from "../../queues/summary.ts";
import type { Histogram } from "../../util/histogram.ts";
import { countActivities } from "../connections.ts";
import { orWarn } from "../failure.ts";
import { unhealthyReason } from "../health.ts";
import { seriesOf, type Span } from "../history.ts";
import type { Monitor } from "../monitor.ts";
import { displayName } from "../queue_name.ts";
import { inTurn } from "../work.ts";
import { countEvents } from "./events.ts";
import { findRow, listQueues, type TableQuery } from "./table.ts";

/* What the page asks for, as JSON. The names of the fields are what the script in page.html reads. */

/** How many of the oldest messages are shown, and how many bytes of each. */
const PREVIEW_LIMIT = { messages: 20, bytes: 4096 };
/** How many open, leased and delayed messages of one queue are listed, of each. */
const MAX_HELD_LISTED = 50;
/** The process takes so many bytes beside its budget at most, as long as -B allows no larger bodies. */
const PROGRAM_BYTES = 150 * MEGA;
const MAX_PROMISED_BODY = MEGA;

/**
 * Everything that the page shows, but for messages.
 * @param account decides which queues are shown; undefined: all are
 * @param asked the name of the queue that is shown by itself
 * @param span of the charts
 * @throws the signal's reason when the client has left
 */
export async function overview(
  monitor: Monitor,
  account: Account | undefined,
  query: TableQuery,
  asked: string | undefined,
  span: Span,
  signal: AbortSignal,
): Promise<object> {
  const { history, engine } = monitor;
  const chosen = asked !== undefined && maySee(account, asked) ? asked : undefined;
  const queue = chosen === undefined ? undefined : await engine.backend.summary(chosen);
  return {
    ...(await inTurn(monitor.work, signal, () => listQueues(monitor, account, query, signal))),
    server: await describeServer(monitor, account, signal),
    events: countEvents(monitor, account),
    history: history.all[span],
    chosen: chosen === undefined ? undefined : await findRow(monitor, chosen),
    course: queue === undefined ? [] : seriesOf(history, queue)[span],
    held: chosen === undefined ? undefined : await listHeld(engine, chosen),
  };
}

/**
 * The open and leased messages of a queue, first those that were delivered first: the clients that they were delivered to,
 * and for how long they have been open or the lease lasts, in milliseconds. Then the oldest that are delayed, and how long.
 */
async function listHeld({ backend, runtime }: Engine, name: string): Promise<object> {
  const { open, leased, delayed } = await backend.heldMessages(name, MAX_HELD_LISTED);
  const now = runtime.monotonic();
  return {
    open: open.map(({ openedAt, ...message }) => ({ ...message, age: now - openedAt })),
    leased: leased.map(({ until, ...message }) => ({ ...message, left: Math.max(0, until - now) })),
    delayed: delayed.map(({ due, ...message }) => ({ ...message, left: Math.max(0, due - now) })),
  };
}

/** The oldest messages of a queue behind number `after`; undefined when there is no such queue. @throws BackendError */
export async function oldestMessages(
  engine: Engine,
  name: string,
  after: number,
  account: Account | undefined,
): Promise<object[] | undefined> {
  const previews = await engine.backend.previews(name, PREVIEW_LIMIT, after);
  return previews?.map((preview) => shownMessage(engine, preview, account));
}

/** A message for the page, with the beginning of its body, and where it came from if the account may see that. */
export function shownMessage(
  { runtime }: Engine,
  { due, ...preview }: MessagePreview,
  account: Account | undefined,
): object {
  const { moved, body } = preview;
  return {
    ...preview,
    // Milliseconds until it can be delivered.
    left: due && Math.max(0, due - runtime.monotonic()),
    body: body.subarray(0, PREVIEW_LIMIT.bytes).toString("base64"),
    moved:
      moved && maySee(account, moved.origin)
        ? { ...moved, shown: displayName(moved.origin) }
        : undefined,
  };
}

async function describeServer(
  monitor: Monitor,
  account: Account | undefined,
  signal: AbortSignal,
): Promise<object> {
  const { engine, options } = monitor;
  const { stats, backend, settings, runtime } = engine;
  const { bytes, cached } = backend.usage();
  return {
    version: settings.version,
    pid: process.pid,
    now: runtime.calendar(),
    // The clock of the points of each history.
    monotonic: runtime.monotonic(),
    uptime: runtime.monotonic() - stats.startedAt,
    admin: options.httpAdmin && (account === undefined || isAdmin(account)),
    ailment: await unhealthyReason(engine),
    connections: { ...(await countActivities(monitor, signal)), most: options.connections },
    memory: { rss: process.memoryUsage().rss, promised: promisedMemory(options), messages: cached },
    bytes,
    store: await describeDisk(monitor),
  };
}

/** What the process stays below, in bytes; undefined where bodies may be so large that it can take more. */
function promisedMemory({ memory, maxBody }: Options): number | undefined {
  return maxBody <= MAX_PROMISED_BODY ? memory + PROGRAM_BYTES : undefined;
}

/** Without what is about a file where the queues are in PostgreSQL. */
async function describeDisk({ engine, options }: Monitor): Promise<object> {
  const { backend, stats } = engine;
  const { times } = stats.commits;
  const disk = await orWarn(() => backend.disk());
  return {
    database: disk?.database,
    log: disk?.log,
    pageSize: disk?.pageSize,
    freePages: disk?.freePages,
    available: disk?.available,
    place: options.store === undefined ? options.home : storeName(options.store),
    checkpointed: disk?.checkpointed,
    synced: !options.noSync,
    commits: countIn(times),
    commitSeconds: times.sum,
    syncs: countIn(backend.syncs),
    syncSeconds: backend.syncs.sum,
  };
}

function countIn({ counts }: Histogram): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
