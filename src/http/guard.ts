import { hostname } from "node:os";

/** What the page's own requests carry: a page of another site cannot add it unless this server allows that. */
const PROOF = "x-memcacheq";

/**
 * Why a request is refused that only a person in front of the page may make; undefined when it is not. A name that
 * somebody else owns may be made to lead here, and a page that was loaded under it would be let in
 * (https://en.wikipedia.org/wiki/DNS_rebinding): so it must be asked for by address, or by a name that is known.
 */
export function strangeHost(request: Request, configured: string): string | undefined {
  const name = new URL(request.url).hostname.toLowerCase();
  const isAddress = /^[0-9.]+$/.test(name) || name.startsWith("[");
  const known = ["localhost", configured.toLowerCase(), hostname().toLowerCase()];
  if (isAddress || known.includes(name) || name.endsWith(".localhost")) return undefined;
  return `this page is served by address, at localhost and at the name given to --http, not at ${name}`;
}

/** Why a request that changes something is refused; undefined when the page itself made it. */
export function strangeOrigin({ headers, url }: Request): string | undefined {
  const origin = headers.get("origin");
  const site = headers.get("sec-fetch-site");
  const isOwn =
    headers.get(PROOF) === "page" &&
    (origin === null || URL.parse(origin)?.host === new URL(url).host) &&
    (site === null || site === "same-origin");
  return isOwn ? undefined : "only the page itself may ask for this";
}
