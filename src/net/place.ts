import { reasonIn } from "../util/reason.ts";

/** The address of a listener, in words for the log: `127.0.0.1:22201`, `[::1]:22201`. */
export function placeName(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** Why listening failed, in words for the user. */
export function explainListenError(error: unknown): string {
  switch (errorCode(error)) {
    case "EADDRINUSE":
      return "the address is in use";
    case "EADDRNOTAVAIL":
      return "no interface of this machine has the address";
    case "EACCES":
      return "permission denied";
    case "EINVAL":
      return "an address that begins with fe80 needs its interface, as in fe80::1%eth0";
    case "ENOTFOUND":
      return "no such address";
    case "EAFNOSUPPORT":
      return "this machine has no addresses of that kind";
    default:
      return errorCode(error) === undefined ? "no such address" : reasonIn(error);
  }
}

/** Groups of 16 bits of an IPv6 address that belong to one network, whose owner has all addresses in it. */
const NETWORK_GROUPS = 4;

/**
 * Where a client is: its IPv4 address, or the network of its IPv6 address, since one client has as many of those as it
 * likes.
 * @param address undefined for a Unix socket
 */
export function clientAddress(address: string | undefined): string {
  if (address === undefined || address === "") return "the Unix socket";
  const bare = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (!bare.includes(":") || bare === "::1") return bare;
  const [start = "", end = ""] = bare.split("::");
  const before = start === "" ? [] : start.split(":");
  const after = end === "" ? [] : end.split(":");
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0");
  return `${[...before, ...zeros, ...after].slice(0, NETWORK_GROUPS).join(":")}::/64`;
}
