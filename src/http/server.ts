import type { Address } from "../config/address.ts";
import type { Options } from "../config/options.ts";
import { isAdmin, mayPeek } from "../engine/access/account.ts";
import type { CertificateFiles } from "../net/certificate.ts";
import type { Clients } from "../net/clients.ts";
import type { Listener } from "../net/listener.ts";
import { explainListenError, placeName } from "../net/place.ts";
import { freeDescriptor } from "../os/limits.ts";
import { NOT_ALLOWED } from "../protocol/errors.ts";
import { answerAdmin } from "./admin_requests.ts";
import { json, metricsAnswer, type Reader, refuse } from "./answers.ts";
import { identify, type Identity } from "./basic.ts";
import { listClients } from "./dashboard/clients.ts";
import { oldestMessages, overview, shownMessage } from "./dashboard/data.ts";
import { listEvents } from "./dashboard/events.ts";
import { page, PAGE_HEADERS } from "./dashboard/page.ts";
import { findMessages } from "./dashboard/search.ts";
import { readTableQuery } from "./dashboard/table.ts";
import { reasonOf } from "./failure.ts";
import { rejectHost } from "./guard.ts";
import { unhealthyReason } from "./health.ts";
import { spans } from "./history.ts";
import { type Monitor, newMonitor, startMonitor } from "./monitor.ts";
import { readTarget, type Target } from "./target.ts";

/** The HTTP server, once it serves. */
interface HttpServer {
  monitor: Monitor;
  http: Bun.Server<undefined>;
  address: Address;
  /** Descriptors in use before the first connection. */
  filesAtStart: number;
}

/** So many connections may be open over HTTP, and so many requests unanswered. */
export const MAX_HTTP_CONNECTIONS = 64;
/** Lower ports are root's. */
const MIN_FREE_PORT = 1024;
/** Milliseconds between two looks at how many connections there are. */
const CONNECTIONS_INTERVAL_MS = 100;
/** Bytes of a request's body; none is needed. */
const MAX_BODY = 1024;
/** A connection without any traffic is closed after so many seconds. */
const IDLE_SECONDS = 30;

/** A listener of the page and metrics. */
export interface HttpListener extends Listener<{ clients: Clients; options: Options }> {
  /** Serves new connections with this certificate. @throws Error when it cannot: then it serves them as before, if any */
  renew(certificate: CertificateFiles): void;
}

/**
 * Serves metrics, health and the page.
 * @param certificate serves them over TLS
 * @throws Error that names the address
 */
export function listenHttp(
  address: Address,
  certificate: CertificateFiles | undefined,
): HttpListener {
  const { hostname, port } = address;
  let server: HttpServer | undefined;
  let endClocks = (): void => {};
  const open = (at: number, files: CertificateFiles | undefined) =>
    openHttp(hostname, at, files, (request, http) =>
      server === undefined ? refuse(503, "not started yet") : answer(server, request, http),
    );
  let http = open(port, certificate);
  const ownPort = http.port ?? port;
  return {
    place: `http ${placeName(hostname, ownPort)}`,
    serve({ clients, options }) {
      const monitor = newMonitor(clients, options);
      server = { monitor, http, address, filesAtStart: freeDescriptor() };
      endClocks = startClocks(server);
    },
    renew(files) {
      if (ownPort < MIN_FREE_PORT && process.geteuid?.() !== 0) {
        throw new Error(
          `port ${ownPort} can only be taken at the start, by root: restart the server`,
        );
      }
      // Bun cannot give a listening socket another certificate. Connections that are open go on.
      void http.stop(false);
      http = open(ownPort, files);
      if (server !== undefined) server.http = http;
    },
    stop() {
      endClocks();
      void http.stop(true);
    },
  };
}

/** @throws Error that names the address */
function openHttp(
  hostname: string,
  port: number,
  certificate: CertificateFiles | undefined,
  fetch: (request: Request, http: Bun.Server<undefined>) => Response | Promise<Response>,
): Bun.Server<undefined> {
  const tls = certificate && { cert: certificate.cert.content, key: certificate.key.content };
  try {
    return Bun.serve({
      hostname,
      port,
      ...(tls === undefined ? {} : { tls }),
      maxRequestBodySize: MAX_BODY,
      idleTimeout: IDLE_SECONDS,
      // Without `development`, Bun would let another process listen on the same port.
      reusePort: false,
      development: false,
      fetch,
      error: (error) => refuse(500, reasonOf(error)),
    });
  } catch (error) {
    throw new Error(
      `cannot listen on http ${placeName(hostname, port)}: ${explainListenError(error)}`,
    );
  }
}

function startClocks(server: HttpServer): () => void {
  const endMonitor = startMonitor(server.monitor);
  const clock = setInterval(() => limitConnections(server), CONNECTIONS_INTERVAL_MS);
  return () => {
    endMonitor();
    clearInterval(clock);
  };
}

/**
 * Keeps descriptors free for the queues' clients. Bun does not tell how many HTTP connections there are: they are the
 * descriptors that neither the server's files nor the queues' clients explain.
 */
function limitConnections({ monitor, http, filesAtStart }: HttpServer): void {
  const connections = freeDescriptor() - filesAtStart - monitor.clients.connections.size;
  if (connections > MAX_HTTP_CONNECTIONS) http.closeIdleConnections();
}

function answer(
  server: HttpServer,
  request: Request,
  http: Bun.Server<undefined>,
): Response | Promise<Response> {
  const { monitor } = server;
  const target = readTarget(request);
  if (target === undefined) return refuse(400, "the request has no path");
  const { path } = target;
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (path === "/healthz" && isRead) return answerHealth(monitor);
  if (http.pendingRequests > MAX_HTTP_CONNECTIONS) return refuse(503, "too many are asking");
  const identity = identify(monitor.engine, request, http.requestIP(request)?.address);
  const go = (known: Identity) => answerKnown(server, request, target, known);
  return identity instanceof Promise ? identity.then(go) : go(identity);
}

/** Answers a request of which it is known whose it is. */
function answerKnown(
  { monitor, http, address }: HttpServer,
  request: Request,
  target: Target,
  identity: Identity,
): Response | Promise<Response> {
  if (identity instanceof Response) return identity;
  const { account } = identity;
  const { path, host } = target;
  const isRead = request.method === "GET" || request.method === "HEAD";
  const reader: Reader = {
    account,
    signal: request.signal,
    disconnectAfter: (seconds) => http.timeout(request, seconds),
  };
  if (path === "/metrics" && isRead) return metricsAnswer(monitor, reader);
  if (host === undefined) return refuse(400, "the page needs the header Host with a host's name");
  const rejection = rejectHost(host, address.hostname);
  if (rejection !== undefined) return refuse(403, rejection);
  if (path.startsWith("/admin/")) return answerAdmin(monitor, request, target, host, reader);
  if (!isRead) return refuse(405, "only GET is allowed");
  return answerPage(monitor, target, reader);
}

async function answerHealth({ engine }: Monitor): Promise<Response> {
  const reason = await unhealthyReason(engine);
  return reason === undefined ? new Response("ok\n") : refuse(503, reason);
}

const WRONG_SPAN = `span is one of ${spans.join(", ")}`;

async function answerPage(
  monitor: Monitor,
  { path, query }: Target,
  reader: Reader,
): Promise<Response> {
  const { engine, work } = monitor;
  const { account, signal } = reader;
  const queue = query.get("queue") ?? undefined;
  const span = spans.find((span) => span === (query.get("span") ?? "minutes"));
  if (path === "/") return new Response(page, { headers: PAGE_HEADERS });
  if (path === "/data/overview") {
    const table = readTableQuery(query);
    if (typeof table === "string") return refuse(400, table);
    if (span === undefined) return refuse(400, WRONG_SPAN);
    reader.disconnectAfter(0);
    return await unlessLeft(signal, async () =>
      json(work, await overview(monitor, account, table, queue, span, signal), reader),
    );
  }
  if (path === "/data/messages" && queue !== undefined) {
    if (!mayPeek(account, queue)) return refuse(403, NOT_ALLOWED);
    const text = query.get("find");
    if (text !== null) return await searchAnswer(monitor, queue, text, reader);
    const after = Number(query.get("after") ?? 0);
    if (!Number.isSafeInteger(after) || after < 0) return refuse(400, "after is a number");
    const found = await oldestMessages(engine, queue, after, account);
    return found === undefined ? refuse(404, "there is no such queue") : json(work, found, reader);
  }
  if (path === "/data/events") return json(work, listEvents(monitor, account), reader);
  if (path === "/data/clients") {
    if (account !== undefined && !isAdmin(account)) return refuse(403, NOT_ALLOWED);
    if (span === undefined) return refuse(400, WRONG_SPAN);
    return await unlessLeft(signal, async () =>
      json(work, await listClients(monitor, span, signal), reader),
    );
  }
  return refuse(404, "there is nothing of that name");
}

async function searchAnswer(
  monitor: Monitor,
  queue: string,
  text: string,
  reader: Reader,
): Promise<Response> {
  if (text === "") return refuse(400, "find is a part of a body");
  reader.disconnectAfter(0);
  return await unlessLeft(reader.signal, async () => {
    const found = await findMessages(monitor, queue, text, reader.signal);
    if (found === undefined) return refuse(404, "there is no such queue");
    const messages = found.messages.map((message) =>
      shownMessage(monitor.engine, message, reader.account),
    );
    return json(monitor.work, { ...found, messages }, reader);
  });
}

/** An answer whose client leaves before it is made is none. */
async function unlessLeft(signal: AbortSignal, make: () => Promise<Response>): Promise<Response> {
  try {
    return await make();
  } catch (error) {
    if (signal.aborted) return refuse(503, "the client has left");
    throw error;
  }
}
