import type { Socket, SocketHandler } from "bun";

/** Where a server listens. */
export type Address = { hostname: string; port: number } | { unix: string };

/** Connects; rejects when nothing listens there. */
export function dial<Data>(address: Address, socket: SocketHandler<Data>): Promise<Socket<Data>> {
  return "unix" in address
    ? Bun.connect<Data>({ ...address, socket })
    : Bun.connect<Data>({ ...address, socket });
}
