import type { Connection } from "./clients.ts";
import { type Listener, newAcceptor } from "./listener.ts";
import { errorCode, explainListenError, placeName } from "./place.ts";
import { limitSilence } from "./silence.ts";
import type { ServerTls } from "./tls.ts";

/** Listens on one address, or, without one, on all of IPv4 and IPv6; `tls` serves over TLS. @throws Error that names the address */
export function listenTcp(address: string | undefined, port: number, tls?: ServerTls): Listener {
  const hostname = address ?? "::";
  const place = placeName(hostname, port);
  try {
    const { serve, handlers } = newAcceptor(tls);
    const listener = Bun.listen<Connection | undefined>({ hostname, port, ...handlers });
    limitSilence(listener);
    return { place: placeName(hostname, listener.port), serve, stop: () => listener.stop() };
  } catch (error) {
    // A system without IPv6 has no `::`.
    if (address === undefined && errorCode(error) !== "EADDRINUSE") {
      return listenTcp("0.0.0.0", port, tls);
    }
    throw new Error(`cannot listen on ${place}: ${explainListenError(error)}`);
  }
}
