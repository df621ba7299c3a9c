import type { Engine, Session } from "../engine/engine.ts";
import { refusePartial, resume } from "../engine/session.ts";
import { endWait } from "../engine/waiters.ts";
import { bufferedBytes } from "../protocol/input.ts";
import { keyMemory } from "../protocol/request.ts";
import {
  type Bounds,
  type BufferUsage,
  evictStalledClients,
  isInputFull,
  newBufferUsage,
  nextToAdmit,
  setInput,
  type Share,
} from "./backpressure.ts";
import type { Outbox } from "./output.ts";
import type { Watched } from "./silence.ts";
import type { ServerTls } from "./tls.ts";

/**
 * All connected clients of one server. Together they may make it hold only so much: backpressure.ts has the bounds, and
 * says which client is admitted or evicted. Here that is done.
 */
export interface Clients {
  engine: Engine;
  connections: Set<Connection>;
  usage: BufferUsage<Connection>;
  /** Undefined without TLS. */
  tls?: ServerTls | undefined;
  /** -c. */
  maxConnections: number;
  /** The id of the connection that was accepted last. */
  lastId: number;
  /** How many were disconnected because they stalled while memory was short. */
  evicted: number;
}

/** One client over TCP or a Unix socket. What happens to it is in connection.ts. */
export interface Connection extends Outbox, Watched {
  clients: Clients;
  session: Session;
  socket: ClientSocket;
  phase: Phase;
  /** When it was accepted, in milliseconds of the monotonic clock. */
  openedAt: number;
  /** Its shares of the usage: what is held of its requests, and of the replies to it. */
  incoming: Share;
  outgoing: Share;
  isTls: boolean;
  /** Nothing is read from it: it is blocked, or has sent much that is not gathered yet. */
  paused: boolean;
}

/** What a connection needs of its socket. */
export interface ClientSocket {
  /** Its descriptor, where it has one. */
  readonly fd?: number;
  /** Where the client is; a client of a Unix socket is nowhere. */
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  /** @returns how many bytes the system took; -1 when the client is gone */
  write(bytes: Buffer, start: number, length: number): number;
  pause(): void;
  resume(): void;
  /** Sends nothing more; end: the same, and closes once the client has ended, too. */
  shutdown(): void;
  end(): void;
  /** Closes at once. */
  terminate(): void;
  /** @param seconds without data, after which the socket is terminated */
  timeout(seconds: number): void;
}

/**
 * How far a connection is:
 *
 *     served      requests are read and replied to
 *     sending     all replies are made, and the last are being sent
 *     lingering   all are sent; what still arrives is thrown away until the client closes, so that no reset overtakes
 *                 the replies
 *     closed      nothing is left of it
 */
type Phase = "served" | "sending" | "lingering" | "closed";

/** A client with more than so many bytes of replies unsent is not served further before it reads them. */
const MAX_UNSENT = 256 * 1024;

export function newClients(engine: Engine, maxConnections: number, bounds?: Bounds): Clients {
  const usage = newBufferUsage<Connection>(bounds);
  return { engine, connections: new Set(), usage, maxConnections, lastId: 0, evicted: 0 };
}

/** Whether so much is unsent that the client must read before it is served further. */
export function hasTooMuchUnsent({ clients, outgoing }: Connection): boolean {
  return outgoing.bytes > (clients.usage.outputFull ? 0 : MAX_UNSENT);
}

/** Gathers nothing from the client until others have taken what they were sent. */
export function awaitRoom(connection: Connection): void {
  const { clients } = connection;
  connection.session.sink.blocked = true;
  if (clients.usage.admitted === connection) clients.usage.admitted = undefined;
  clients.usage.awaiting.add(connection);
  admitSoon(clients);
}

/** Lets one of the clients that wait for room go on, after the work of this moment. */
export function admitSoon(clients: Clients): void {
  if (clients.usage.awaiting.size > 0) clients.engine.runtime.soon(() => admitNext(clients));
}

/** Admits one client at a time, since each takes some of the room. */
function admitNext({ usage }: Clients): void {
  const next = nextToAdmit(usage);
  if (next === undefined) return;
  usage.awaiting.delete(next);
  usage.admitted = next;
  next.session.sink.blocked = hasTooMuchUnsent(next);
  resume(next.session);
}

/** The reply of an admitted client is made: the next one is admitted. */
export function endAdmission(connection: Connection): void {
  const { clients } = connection;
  if (clients.usage.admitted !== connection) return;
  clients.usage.admitted = undefined;
  admitSoon(clients);
}

/**
 * Counts what is held of the client's requests, and refuses it when too much is held of the requests of all clients.
 * @param held bytes
 */
export function updateInputUsage(connection: Connection, held: number): void {
  const { clients, incoming } = connection;
  const { engine, usage } = clients;
  if (held !== incoming.bytes) setInput(usage, incoming, held, engine.runtime.monotonic());
  if (!isInputFull(usage, held, engine.settings.maxBody)) return;
  usage.refused = true;
  refuseInput(connection);
}

/** Bytes of requests that have not arrived completely, or are not answered completely. */
export function heldBytes({ input, current, deferred }: Session): number {
  let held = bufferedBytes(input);
  if (current !== undefined) held += keyMemory(current);
  if (deferred.length === 0) return held;
  for (const { request } of deferred) held += request.body.length + keyMemory(request);
  return held;
}

/** Refuses what is held of the client's requests, if that can be done without ending the connection. */
function refuseInput(connection: Connection): void {
  const { clients, session, incoming } = connection;
  const { engine, usage } = clients;
  if (session.wait !== undefined) endWait(engine, session);
  else if (refusePartial(session)) {
    setInput(usage, incoming, heldBytes(session), engine.runtime.monotonic());
  }
}

/** When memory is short, evicts clients that have stalled and make the server hold much. */
export function evictStalled(clients: Clients): void {
  const { usage, connections, engine } = clients;
  evictStalledClients(usage, connections, {
    now: engine.runtime.monotonic(),
    isServersTurn: ({ session }) => session.pending > 0 || engine.runnable.has(session),
    evict(connection, which) {
      // A client that waits for a message gets the reply that its wait is over.
      const isTold = which === "incoming" && connection.session.wait !== undefined;
      if (which === "incoming") refuseInput(connection);
      if (isTold || connection[which].bytes === 0) return;
      clients.evicted++;
      connection.socket.terminate();
    },
  });
}
