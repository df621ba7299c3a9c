import { hostname } from "node:os";

import type { Host } from "./target.ts";

/** The page sends this header with its own requests; a page of another site cannot add it unless this server allows that. */
const PAGE_HEADER = "x-memcacheq";

/**
 * Refuses a request for a host name that is not known to be this server's. The owner of any name can make it lead to this
 * address, and a browser would then let a page that was loaded under that name read what is here
 * (https://en.wikipedia.org/wiki/DNS_rebinding).
 * @param configured the host that --http names
 * @returns why, in words for the client; undefined when it is not refused
 */
export function rejectHost({ name }: Host, configured: string): string | undefined {
  const isAddress = /^[0-9.]+$/.test(name) || name.startsWith("[");
  const known = ["localhost", configured.toLowerCase(), hostname().toLowerCase()];
  if (isAddress || known.includes(name) || name.endsWith(".localhost")) return undefined;
  return `this page is served by address, at localhost and at the name given to --http, not at ${name}`;
}

/**
 * Refuses a request to change something unless this server's own page made it.
 * @returns why, in words for the client; undefined when it is not refused
 */
export function rejectOrigin({ headers }: Request, host: Host): string | undefined {
  const origin = headers.get("origin");
  const site = headers.get("sec-fetch-site");
  const isOwn =
    headers.get(PAGE_HEADER) === "page" &&
    (origin === null || URL.parse(origin)?.host === host.withPort) &&
    (site === null || site === "same-origin");
  return isOwn ? undefined : "only the page itself may ask for this";
}
