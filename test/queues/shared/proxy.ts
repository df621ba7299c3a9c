/** Stands between servers and PostgreSQL, and cuts connections at any byte. */
import type { Socket } from "bun";

export interface Proxy {
  port: number;
  /** From now on each connection is cut after so many bytes in either direction; undefined: none is. */
  cutAfter(bytes: (() => number) | undefined): void;
  /** How many were cut. */
  cuts(): number;
  /** Cuts all connections, and refuses new ones until it is undone. */
  close(isClosed: boolean): void;
  stop(): void;
}

interface Side {
  other: Socket<Side> | undefined;
  /** What was not sent yet. */
  queue: Buffer[];
  budget: { left: number };
}

export function newProxy(to: number): Proxy {
  let bytes: (() => number) | undefined;
  let cuts = 0;
  let isClosed = false;
  const sides = new Set<Socket<Side>>();
  const handler = {
    data(socket: Socket<Side>, data: Buffer) {
      const { budget, other } = socket.data;
      const part = data.subarray(0, Math.max(0, budget.left));
      budget.left -= data.length;
      if (other !== undefined) send(other, part);
      else socket.data.queue.push(Buffer.from(part));
      if (budget.left > 0) return;
      cuts++;
      other?.terminate();
      socket.terminate();
    },
    drain: (socket: Socket<Side>) => flush(socket),
    close(socket: Socket<Side>) {
      sides.delete(socket);
      socket.data.other?.terminate();
    },
    error() {},
  };
  const listener = Bun.listen<Side>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...handler,
      open(socket) {
        const budget = { left: bytes?.() ?? Infinity };
        socket.data = { other: undefined, queue: [], budget };
        sides.add(socket);
        if (isClosed) return void socket.terminate();
        Bun.connect<Side>({
          hostname: "127.0.0.1",
          port: to,
          data: { other: socket, queue: [], budget },
          socket: {
            ...handler,
            open(up) {
              sides.add(up);
              for (const early of socket.data.queue.splice(0)) send(up, early);
              socket.data.other = up;
            },
          },
        }).catch(() => socket.terminate());
      },
    },
  });
  return {
    port: listener.port,
    cutAfter: (next) => void (bytes = next),
    cuts: () => cuts,
    close(closed) {
      isClosed = closed;
      if (closed) for (const socket of sides) socket.terminate();
    },
    stop: () => listener.stop(true),
  };
}

function send(socket: Socket<Side>, data: Buffer): void {
  socket.data.queue.push(Buffer.from(data));
  flush(socket);
}

function flush(socket: Socket<Side>): void {
  const { queue } = socket.data;
  for (let next = queue[0]; next !== undefined; next = queue[0]) {
    const sent = socket.write(next);
    if (sent < 0) return;
    if (sent < next.length) return void (queue[0] = next.subarray(sent));
    queue.shift();
  }
}
