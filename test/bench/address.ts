import type { Socket, SocketHandler } from "bun";

/** Where a server listens. */
export type Address = { hostname: string; port: number; overTls?: boolean } | { unix: string };

/** Connects; rejects when nothing listens there. Any certificate will do. */
export async function dial<Data>(
  address: Address,
  socket: SocketHandler<Data>,
): Promise<Socket<Data>> {
  if ("unix" in address) return Bun.connect<Data>({ ...address, socket });
  const { hostname, port, overTls = false } = address;
  if (!overTls) return Bun.connect<Data>({ hostname, port, socket });
  // What is written before the handshake is done is lost.
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const connected = await Bun.connect<Data>({
    ...{ hostname, port, tls: { rejectUnauthorized: false } },
    socket: { ...socket, handshake: () => resolve() },
  });
  await ready;
  return connected;
}
