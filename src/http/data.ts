import { orWarn, type Server } from "../engine/server.ts";
import {
  absentNames,
  absentOverview,
  oldestMessages,
  type Overview,
  overviewOf,
} from "../queues/local/overview.ts";
import { version } from "../util/version.ts";
import { ailment } from "./health.ts";
import { type Course, courseOf, type History } from "./history.ts";
import { shownName } from "./name.ts";
import { isSliceOver, newPace, pause } from "./pace.ts";
import { countStates } from "./states.ts";

/** More queues than this are not listed: those with the most messages are. */
const MOST_LISTED = 1000;
/** How much of the oldest messages is shown: so many, and so many bytes of each. */
const MOST_SHOWN = { messages: 20, bytes: 4096 };

/** What the page shows of a queue: `shown` is the name for people. */
type Listed = Overview & { shown: string };

/** Everything that the page shows, but for messages; `queue` is the name of the one that was chosen. */
export async function overview(
  server: Server,
  history: History,
  filter: string,
  chosen: string | undefined,
): Promise<object> {
  const queue = chosen === undefined ? undefined : server.broker.queues.get(chosen);
  return {
    ...(await listQueues(server, filter.toLowerCase())),
    server: await describe(server),
    history: history.all,
    course: queue === undefined ? ([] satisfies Course) : courseOf(history, queue),
  };
}

/** The oldest messages of a queue; undefined when there is no such queue. @throws StoreError */
export function messages(server: Server, name: string): object[] | undefined {
  const queue = server.broker.queues.get(name);
  if (queue === undefined) return undefined;
  const sights = oldestMessages(server.broker.store, queue, MOST_SHOWN);
  return sights.map((sight) => ({ ...sight, body: sight.body.toString("base64") }));
}

async function listQueues({ broker }: Server, filter: string) {
  const pace = newPace();
  let queues: Listed[] = [];
  let matching = 0;
  function list(overview: Overview | undefined, shown: string): void {
    if (overview === undefined) return;
    matching++;
    queues.push({ ...overview, shown });
    if (queues.length >= 2 * MOST_LISTED) queues = deepest(queues);
  }
  for (const queue of broker.queues.values()) {
    const shown = shownName(queue.name);
    if (shown.toLowerCase().includes(filter))
      list(
        orWarn(() => overviewOf(broker, queue)),
        shown,
      );
    if (isSliceOver(pace)) await pause(pace);
  }
  for (const name of absentNames(broker)) {
    const shown = shownName(name);
    if (shown.toLowerCase().includes(filter)) list(absentOverview(broker, name), shown);
  }
  return { total: broker.queues.size, matching, queues: deepest(queues) };
}

function deepest(queues: Listed[]): Listed[] {
  if (queues.length <= MOST_LISTED) return queues;
  const sorted = queues.toSorted((a, b) => b.messages + b.waiters - a.messages - a.waiters);
  return sorted.slice(0, MOST_LISTED);
}

async function describe(server: Server): Promise<object> {
  const { stats, options, broker, store } = server;
  const { commits } = stats;
  return {
    version,
    pid: process.pid,
    now: Date.now(),
    startedAt: stats.startedAt,
    admin: options.httpAdmin,
    ailment: ailment(server),
    connections: { ...(await countStates(server)), most: options.connections },
    memory: {
      rss: process.memoryUsage().rss,
      budget: options.memory,
      messages: broker.memory.used,
    },
    bytes: broker.bytes,
    store: {
      ...orWarn(() => store.extent()),
      directory: options.home,
      checkpointed: orWarn(() => store.checkpointed()),
      synced: !options.noSync,
      commits: commits.times.counts.reduce((sum, count) => sum + count, 0),
      commitSeconds: commits.times.sum,
      syncs: store.syncs.counts.reduce((sum, count) => sum + count, 0),
      syncSeconds: store.syncs.sum,
    },
  };
}
