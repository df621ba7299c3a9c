import { type Activity, activityOf } from "../../engine/session.ts";
import type { Connection } from "../../net/clients.ts";
import { type ClientTraffic, listTraffic } from "../client_history.ts";
import type { Span } from "../history.ts";
import type { Monitor } from "../monitor.ts";
import { displayName } from "../queue_name.ts";
import { beginSlice, isSliceOver, nextSlice } from "../time_slice.ts";

/** A client as the page lists it; times in milliseconds. */
interface ClientRow {
  /** Its address, or its number where it has none. */
  client: string;
  /** What it has authenticated as; "" where that is not needed. */
  account: string;
  isTls: boolean;
  /** Since it connected. */
  age: number;
  activity: Activity;
  /** The queues that it waits for, and those that it has messages open of, by their names for people. */
  waitsFor: string[];
  open: string[];
  /** Bytes of its requests and of the replies to it that the server holds. */
  unread: number;
  unsent: number;
}

interface ClientList {
  /** What they have set and got within the span, and others that are connected no longer. */
  traffic: ClientTraffic[];
  total: number;
  /** Those that are connected the longest. */
  clients: ClientRow[];
}

/** So many clients are listed, and so many queues of each. */
const MAX_CLIENTS = 200;
const MAX_QUEUES = 10;

/** @throws the signal's reason when the client has left */
export async function listClients(
  monitor: Monitor,
  span: Span,
  signal: AbortSignal,
): Promise<ClientList> {
  const { connections, engine } = monitor.clients;
  const slice = beginSlice(monitor.work.slices, signal);
  const now = engine.runtime.monotonic();
  const clients: ClientRow[] = [];
  for (const connection of connections) {
    if (clients.length === MAX_CLIENTS) break;
    clients.push(rowOf(connection, now));
    if (isSliceOver(slice)) await nextSlice(slice);
  }
  const traffic = listTraffic(monitor.clientHistory, now, span);
  return { traffic, total: connections.size, clients };
}

function rowOf(
  { session, isTls, openedAt, incoming, outgoing }: Connection,
  now: number,
): ClientRow {
  const { sink, account, wait, consumer } = session;
  const waitsFor = (wait?.targets ?? []).slice(0, MAX_QUEUES).map(({ queue }) => queue);
  return {
    client: sink.client(),
    account: account?.name ?? "",
    isTls,
    age: now - openedAt,
    activity: activityOf(session),
    waitsFor: waitsFor.map(displayName),
    open: [...Iterator.from(consumer.openQueues()).take(MAX_QUEUES)].map(displayName),
    unread: incoming.bytes,
    unsent: outgoing.bytes,
  };
}
