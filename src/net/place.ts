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
      return errorCode(error) ?? "no such address";
  }
}
