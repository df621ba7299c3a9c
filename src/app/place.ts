import type { Options } from "../config/options.ts";
import type { Place } from "../import/peer.ts";
import { readPeerTls } from "./tls.ts";

/** Where the server that these options would start is reached: one on all interfaces is on this machine, too. */
export function placeOf(options: Options): Place {
  const { socket, address, port: usual } = options;
  if (socket !== undefined) return { unix: socket };
  const tls = readPeerTls(options);
  const { hostname = "0.0.0.0", port = usual } = address?.[0] ?? {};
  if (hostname === "0.0.0.0") return { hostname: "127.0.0.1", port, tls };
  return { hostname: hostname === "::" ? "::1" : hostname, port, tls };
}
