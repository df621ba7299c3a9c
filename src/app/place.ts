import type { Options } from "../config/options.ts";
import type { Place } from "../import/peer.ts";

/** Where the server that these options would start is reached: one on all interfaces is on this machine, too. */
export function placeOf({ socket, address, port }: Options): Place {
  if (socket !== undefined) return { unix: socket };
  if (address === undefined || address === "0.0.0.0") return { hostname: "127.0.0.1", port };
  return { hostname: address === "::" ? "::1" : address, port };
}
