import { networkInterfaces } from "node:os";

import { warn } from "../util/log.ts";
import { errorCode, explainListenError, placeName } from "./place.ts";

/*
 * The sockets that datagrams come to. A reply has to come from the address that was asked, and of a socket that takes the
 * datagrams to all addresses one does not learn which that was. So each address has a socket of its own, and the system
 * refuses datagrams to any other.
 */

export type UdpSocket = Bun.udp.Socket<"buffer">;
export type Handlers = Bun.udp.SocketHandler<"buffer">;

/** The sockets for all addresses of this machine, or all of IPv4. */
interface UdpSockets {
  hostname: Wildcard;
  port: number;
  handlers: Handlers;
  /** By address. */
  open: Map<string, UdpSocket>;
  /** Addresses that could not be listened on; they are warned of once. */
  refused: Set<string>;
}

/** What stands for all addresses, and for all of IPv4. */
type Wildcard = "::" | "0.0.0.0";

/** Milliseconds between two looks at which addresses this machine has. */
const LOOK_INTERVAL_MS = 5000;

/**
 * Opens the sockets of a host's name, an address, or what stands for all addresses. In that case sockets are opened and
 * closed as addresses come and go.
 * @returns the function that ends that; the sockets stay open
 * @throws Error that names the address
 */
export async function openUdp(
  hostname: string,
  port: number,
  handlers: Handlers,
): Promise<() => void> {
  if (hostname !== "::" && hostname !== "0.0.0.0") {
    await openSocket(hostname, port, handlers);
    return () => undefined;
  }
  const sockets: UdpSockets = {
    hostname,
    port,
    handlers,
    open: new Map(),
    refused: new Set(),
  };
  for (const address of localAddresses(hostname)) await tryAddress(sockets, address);
  const [refused] = sockets.refused;
  if (refused !== undefined) throw new Error(refused);
  const clock = setInterval(() => void follow(sockets), LOOK_INTERVAL_MS);
  return () => clearInterval(clock);
}

async function openSocket(hostname: string, port: number, socket: Handlers): Promise<UdpSocket> {
  try {
    return await Bun.udpSocket({ hostname, port, socket });
  } catch (error) {
    // A name without an address.
    const reason = errorCode(error) === "ENOENT" ? "no such address" : explainListenError(error);
    throw new Error(`cannot listen on udp ${placeName(hostname, port)}: ${reason}`, {
      cause: error,
    });
  }
}

/** Opens the socket of an address. A new address may not be usable yet, and an old one not any more. */
async function tryAddress(sockets: UdpSockets, address: string): Promise<void> {
  const { open, refused, port, handlers } = sockets;
  try {
    open.set(address, await openSocket(address, port, handlers));
  } catch (error) {
    const { cause, message } = error as Error;
    if (errorCode(cause) !== "EADDRNOTAVAIL") refused.add(message);
  }
}

/** Opens sockets for addresses that have come, and closes those of addresses that are gone. */
async function follow(sockets: UdpSockets): Promise<void> {
  const { hostname, open, refused } = sockets;
  const present = new Set(localAddresses(hostname));
  for (const [address, socket] of open) {
    if (present.has(address)) continue;
    socket.close();
    open.delete(address);
  }
  const before = new Set(refused);
  for (const address of present) if (!open.has(address)) await tryAddress(sockets, address);
  for (const message of refused) if (!before.has(message)) warn(message);
}

/** The addresses of this machine; one that is valid on a link only has the name of its interface behind it. */
function localAddresses(hostname: Wildcard): string[] {
  const addresses: string[] = [];
  for (const [name, list] of Object.entries(networkInterfaces())) {
    for (const { family, address, ...rest } of list ?? []) {
      const isOnLink = "scopeid" in rest && (rest.scopeid ?? 0) > 0;
      if (family === "IPv4") addresses.push(address);
      else if (hostname === "::") addresses.push(isOnLink ? `${address}%${name}` : address);
    }
  }
  return addresses;
}
