import type { Address } from "../config/address.ts";
import { reasonOf, type Server } from "../engine/server.ts";
import { explain, type Listener, placeName } from "../net/tcp.ts";
import { freeDescriptor } from "../os/limits.ts";
import { DURATIONS, type Histogram, newHistogram, observeTime } from "../util/histogram.ts";
import { messages, overview } from "./data.ts";
import { strangeHost, strangeOrigin } from "./guard.ts";
import { ailment } from "./health.ts";
import { type History, INTERVAL, newHistory, remember } from "./history.ts";
import { ask } from "./local.ts";
import { metrics, METRICS_TYPE } from "./metrics.ts";
import { page, PAGE_HEADERS } from "./page.ts";

/** What is watched for those who look, beside what the server counts anyhow. */
interface Watch {
  server: Server;
  http: Bun.Server<undefined>;
  address: Address;
  /** Descriptors in use before the first connection. */
  files: number;
  history: History;
  /** Seconds that the event loop was late. */
  loopDelays: Histogram;
}

/** So many connections may be open, and so many requests unanswered. */
export const MOST_CONNECTIONS = 64;
/** How often it is seen to that, in milliseconds. */
const CROWD_INTERVAL = 100;
/** Nothing is sent here. */
const MOST_BODY = 1024;
/** Seconds after which a connection is closed on which nothing moves. */
const IDLE = 30;
/** Every so many milliseconds it is measured how late the event loop is. */
const DELAY_INTERVAL = 100;

/** Serves metrics, health and the page. @throws Error that names the address */
export function listenHttp(address: Address): Listener {
  const { hostname, port } = address;
  let watch: Watch | undefined;
  let endWatch = (): void => {};
  try {
    const http = Bun.serve({
      hostname,
      port,
      maxRequestBodySize: MOST_BODY,
      idleTimeout: IDLE,
      // Otherwise a server without development shares its port with whoever asks for it.
      reusePort: false,
      development: false,
      fetch: (request) =>
        watch === undefined ? refuse(503, "not started yet") : answer(watch, request),
      error: (error) => refuse(500, reasonOf(error)),
    });
    return {
      place: `http ${placeName(hostname, http.port ?? port)}`,
      serve(server) {
        watch = {
          server,
          http,
          address,
          files: freeDescriptor(),
          history: newHistory(),
          loopDelays: newHistogram(DURATIONS),
        };
        endWatch = startWatch(watch);
      },
      stop() {
        endWatch();
        void http.stop(true);
      },
    };
  } catch (error) {
    throw new Error(`cannot listen on http ${placeName(hostname, port)}: ${explain(error)}`);
  }
}

function startWatch(watch: Watch): () => void {
  const { server, history, loopDelays } = watch;
  let expected = performance.now() + DELAY_INTERVAL;
  let busy = false;
  const clocks = [
    setInterval(() => {
      observeTime(loopDelays, Math.min(expected, performance.now()));
      expected = performance.now() + DELAY_INTERVAL;
    }, DELAY_INTERVAL),
    setInterval(() => {
      if (busy) return;
      busy = true;
      void remember(history, server.broker).finally(() => (busy = false));
    }, INTERVAL),
    setInterval(() => endCrowd(watch), CROWD_INTERVAL),
  ];
  return () => clocks.forEach((clock) => clearInterval(clock));
}

/** Lest descriptors run out for the queues' clients. The connections here are only known by theirs. */
function endCrowd({ server, http, files }: Watch): void {
  const connections = freeDescriptor() - files - server.connections.size;
  if (connections > MOST_CONNECTIONS) http.closeIdleConnections();
}

function answer(watch: Watch, request: Request): Response | Promise<Response> {
  const { pathname } = new URL(request.url);
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (pathname === "/healthz" && isRead) return answerHealth(watch);
  if (watch.http.pendingRequests > MOST_CONNECTIONS) return refuse(503, "too many are asking");
  if (pathname === "/metrics" && isRead) return answerMetrics(watch);
  const strange = strangeHost(request, watch.address.hostname);
  if (strange !== undefined) return refuse(403, strange);
  if (pathname.startsWith("/admin/")) return answerAdmin(watch, request);
  if (!isRead) return refuse(405, "only GET is allowed");
  return answerPage(watch, request);
}

function answerMetrics({ server, loopDelays }: Watch): Response {
  const pieces = metrics(server, loopDelays);
  const encoder = new TextEncoder();
  // Made as fast as it is read, so that nobody can pile it up in memory.
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await pieces.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    cancel: () => void pieces.return(undefined),
  });
  return new Response(body, { headers: { "content-type": METRICS_TYPE } });
}

function answerHealth({ server }: Watch): Response {
  const reason = ailment(server);
  return reason === undefined ? new Response("ok\n") : refuse(503, reason);
}

async function answerPage({ server, history }: Watch, request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const queue = searchParams.get("queue") ?? undefined;
  if (pathname === "/") return new Response(page, { headers: PAGE_HEADERS });
  if (pathname === "/data/overview") {
    return json(await overview(server, history, searchParams.get("filter") ?? "", queue));
  }
  if (pathname === "/data/messages" && queue !== undefined) {
    const found = messages(server, queue);
    return found === undefined ? refuse(404, "there is no such queue") : json(found);
  }
  return refuse(404, "there is nothing of that name");
}

/** Flushes or deletes a queue, for the page and nobody else. */
async function answerAdmin({ server }: Watch, request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const queue = searchParams.get("queue") ?? "";
  const command = /^\/admin\/(flush|delete)$/.exec(pathname)?.[1];
  if (!server.options.httpAdmin) return refuse(403, "that needs --http-admin");
  if (request.method !== "POST") return refuse(405, "only POST is allowed");
  const strange = strangeOrigin(request);
  if (strange !== undefined) return refuse(403, strange);
  if (command === undefined || !server.broker.queues.has(queue)) {
    return refuse(404, "there is no such queue");
  }
  const said = await ask(server, `${command} ${queue}`);
  return said.startsWith("SERVER_ERROR") ? refuse(503, said) : json({ said });
}

function json(value: object): Response {
  return Response.json(value, {
    headers: { "cache-control": "no-store", "x-content-type-options": "nosniff" },
  });
}

function refuse(status: number, reason: string): Response {
  return new Response(`${reason}\n`, { status });
}
