import { type Account, isAdmin, maySee } from "../../engine/access/account.ts";
import { lastEvents, type ServerEvent } from "../events.ts";
import type { Monitor } from "../monitor.ts";
import { displayName } from "../queue_name.ts";

/** An event as the page lists it. */
interface EventRow extends ServerEvent {
  /** The name of the queue for people. */
  shown: string;
}

/**
 * The events of the last day, the last one first.
 * @param account decides what is listed: of the queues that it may see, and all else for an admin; undefined: all
 */
export function listEvents(monitor: Monitor, account: Account | undefined): EventRow[] {
  return visibleEvents(monitor, account).map((event) => ({
    ...event,
    shown: displayName(event.queue),
  }));
}

/** How many there are, and how many of them are failures. */
export function countEvents(monitor: Monitor, account: Account | undefined): object {
  const events = visibleEvents(monitor, account);
  return {
    total: events.length,
    failures: events.filter(({ kind }) => kind === "failure").length,
  };
}

function visibleEvents({ events, engine }: Monitor, account: Account | undefined): ServerEvent[] {
  const last = lastEvents(events, engine.runtime.calendar());
  if (account === undefined) return last;
  return last.filter(({ queue }) => (queue === "" ? isAdmin(account) : maySee(account, queue)));
}
