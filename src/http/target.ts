/** What a request asks for. */
export interface Target {
  path: string;
  query: URLSearchParams;
  /** The host that the request was sent to; undefined where it names none that can be one. */
  host: Host | undefined;
}

/** As in a URL: small letters, an address of IPv6 in brackets. */
export interface Host {
  name: string;
  /** With the port, unless it is 80. */
  withPort: string;
}

/**
 * Reads the target of a request. What is in a request's `url` is not always a URL: without a host, which HTTP/1.0 allows
 * and probes of health leave out, it is only the path.
 * @returns undefined when there is no path
 */
export function readTarget({ url, headers }: Request): Target | undefined {
  const place = url.replace(/^https?:\/\/[^/?#]*/, "");
  const parsed = place.startsWith("/") ? URL.parse(`http://none${place}`) : null;
  if (parsed === null) return undefined;
  const { pathname: path, searchParams: query } = parsed;
  return { path, query, host: readHost(headers.get("host") ?? "") };
}

function readHost(text: string): Host | undefined {
  const parsed = /^[^\s/?#@\\]+$/.test(text) ? URL.parse(`http://${text}`) : null;
  return parsed === null ? undefined : { name: parsed.hostname, withPort: parsed.host };
}
