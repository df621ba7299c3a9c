import { type Address, dial } from "./address.ts";
import type { Dialect } from "./dialect/dialect.ts";

const TIMEOUT_SECONDS = 60;

/** Drops the queue and what is in it. Rejects when the server does not do it. */
export async function clearQueue(address: Address, dialect: Dialect): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let line = "";
  const socket = await dial(address, {
    data(_, chunk) {
      line += chunk.toString("latin1");
      if (line.endsWith("\n")) resolve(line.trimEnd());
    },
    close: () => reject(new Error("the server closed the connection")),
    error: (_, error) => reject(error),
  });
  const late = setTimeout(
    () => reject(new Error(`no answer to the clearing of the queue in ${TIMEOUT_SECONDS} s`)),
    TIMEOUT_SECONDS * 1000,
  );
  try {
    socket.write(dialect.clear);
    const answered = await promise;
    if (!dialect.cleared.test(answered)) throw new Error(`the queue was not cleared: ${answered}`);
  } finally {
    clearTimeout(late);
    socket.terminate();
  }
}
