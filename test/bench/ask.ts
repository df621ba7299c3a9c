import { type Address, dial } from "./address.ts";
import type { Encoder } from "./load/dialect/dialect.ts";

const TIMEOUT_SECONDS = 60;

/** Drops the queue and what is in it, where the dialect can. Rejects when the server does not do it. */
export async function clearQueue(address: Address, { clear }: Encoder): Promise<void> {
  if (clear === null) return;
  const answered = await ask(address, clear.command, "\n");
  if (!clear.answered.test(answered)) throw new Error(`the queue was not cleared: ${answered}`);
}

/** Sends a command on a connection of its own; resolves with what comes up to `end`, line ends trimmed. */
export async function ask(address: Address, command: Uint8Array, end: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = "";
  const socket = await dial(address, {
    data(_, chunk) {
      text += chunk.toString("latin1");
      if (text.endsWith(end)) resolve(text.trimEnd());
    },
    close: () => reject(new Error("the server closed the connection")),
    error: (_, error) => reject(error),
  });
  const late = setTimeout(
    () => reject(new Error(`no answer in ${TIMEOUT_SECONDS} s`)),
    TIMEOUT_SECONDS * 1000,
  );
  try {
    socket.write(command);
    return await promise;
  } finally {
    clearTimeout(late);
    socket.terminate();
  }
}
