import type { Options } from "../config/options.ts";
import type { Engine } from "../engine/engine.ts";
import type { Clients } from "../net/clients.ts";
import { BackendError } from "../queues/backend.ts";
import { DURATIONS, type Histogram, newHistogram, observeTime } from "../util/histogram.ts";
import { logInternal, watchLog } from "../util/log.ts";
import { program, version } from "../util/version.ts";
import { type ClientHistory, recordClients } from "./client_history.ts";
import { addEvent, type Events, newEvents, noteEvicted } from "./events.ts";
import { type History, INTERVAL_MS, newHistory, recordHistory } from "./history.ts";
import { newWork, type Work } from "./work.ts";

/** What metrics, health and the page are made from: the running server, and what is measured for them alone. */
export interface Monitor {
  engine: Engine;
  clients: Clients;
  options: Options;
  history: History;
  clientHistory: ClientHistory;
  events: Events;
  /** How late the event loop was, in seconds. */
  loopDelays: Histogram;
  work: Work;
}

/** Milliseconds between two measurements of how late the event loop is. */
const DELAY_INTERVAL_MS = 100;

export function newMonitor(clients: Clients, options: Options): Monitor {
  return {
    engine: clients.engine,
    clients,
    options,
    history: newHistory(),
    clientHistory: new Map(),
    events: newEvents(),
    loopDelays: newHistogram(DURATIONS),
    work: newWork(() => clients.engine.stats.bytesRead),
  };
}

/** Measures until the returned function is called. */
export function startMonitor(monitor: Monitor): () => void {
  const clocks = [measureLoopDelays(monitor), recordRegularly(monitor)];
  noteStart(monitor);
  watchLog((kind, text) => noteLogged(monitor, kind, text));
  return () => {
    watchLog(undefined);
    for (const clock of clocks) clearInterval(clock);
  };
}

function noteStart({ events, engine }: Monitor): void {
  const { messages, queues } = engine.backend.usage();
  const text = `${program} ${version}, process ${process.pid}, ${messages} messages in ${queues} queues`;
  addEvent(events, engine.runtime.calendar(), "start", { text });
}

/** Of an internal error the stack is for the log only. */
function noteLogged({ events, engine }: Monitor, kind: "error" | "warn", text: string): void {
  const [line = ""] = text.split("\n");
  const now = engine.runtime.calendar();
  addEvent(events, now, kind === "error" ? "failure" : "warning", { text: line });
}

function measureLoopDelays({ loopDelays }: Monitor): Timer {
  let expected = performance.now() + DELAY_INTERVAL_MS;
  return setInterval(() => {
    // A timer may also be a little early.
    observeTime(loopDelays, Math.max(0, performance.now() - expected));
    expected = performance.now() + DELAY_INTERVAL_MS;
  }, DELAY_INTERVAL_MS);
}

/** With very many queues a point takes long: there are as many rests of that length before the next one. */
const RESTS = 4;

function recordRegularly(monitor: Monitor): Timer {
  const { history, clientHistory, events, engine, clients, work } = monitor;
  const { monotonic } = engine.runtime;
  let restsUntil = 0;
  return setInterval(() => {
    const begunAt = monotonic();
    if (begunAt < restsUntil) return;
    restsUntil = Infinity;
    recordClients(clientHistory, engine);
    noteEvicted(events, engine.runtime.calendar(), clients.evicted);
    void recordHistory(history, events, engine, work.slices)
      .catch(ignoreFailure)
      .finally(() => {
        restsUntil = monotonic() + RESTS * (monotonic() - begunAt);
      });
  }, INTERVAL_MS);
}

/** A point is missing while the queues cannot be asked, and health says why. */
function ignoreFailure(error: unknown): void {
  if (!(error instanceof BackendError)) logInternal(error);
}
