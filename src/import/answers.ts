import { DrainError, type Peer } from "./peer.ts";
import type { MovedMessage } from "./source.ts";

/* What the other server answers. */

export interface NumberedMessage extends MovedMessage {
  /** Its place in the queue there; 0 when the answer does not have it. */
  number: number;
}

/** The largest body that -B can be set to, bytes. */
const MAX_BODY = 64 * 1024 * 1024;

export async function ask(peer: Peer, command: string): Promise<string> {
  peer.send(`${command}\r\n`);
  return await peer.line();
}

/**
 * Reads the answer to a `get` of one key: undefined when there is no message.
 * @param name the other server's
 * @param key `<queue>[/<option>]`; most servers repeat the queue only
 */
export async function readMessage(
  peer: Peer,
  name: string,
  key: string,
): Promise<NumberedMessage | undefined> {
  const head = await peer.line();
  if (head === "END") return undefined;
  const [, told, flags, size, number] = /^VALUE (\S+) (-?\d+) (\d+)(?: (\d+))?$/.exec(head) ?? [];
  const [queue] = key.split("/");
  if (told !== key && told !== queue) throw unexpected(name, "get", head);
  if (Number(size) > MAX_BODY) {
    throw new DrainError(
      `${name} has a message of ${size} bytes in ${key}, ${MAX_BODY} are possible`,
    );
  }
  const body = await peer.bytes(Number(size));
  const end = [await peer.line(), await peer.line()];
  if (end.join() !== ",END") throw unexpected(name, "get", end.find((line) => line !== "") ?? "");
  // MemcacheQ 0.2 tells large flags as a negative number.
  return { flags: Number(flags) >>> 0, body, number: Number(number ?? 0), deliveries: 0, delay: 0 };
}

/**
 * Reads the answer to `mg <queue>/open/early v f c h d`: undefined when there is no message.
 * @param name the other server's
 */
export async function readOpened(peer: Peer, name: string): Promise<NumberedMessage | undefined> {
  const head = await peer.line();
  if (head === "EN") return undefined;
  const [, size, ...facts] = /^VA (\d+) f(\d+) c(\d+) h(\d+) d(\d+)$/.exec(head) ?? [];
  if (size === undefined) throw unexpected(name, "mg", head);
  if (Number(size) > MAX_BODY) throw tooLarge(name, Number(size));
  const [flags = 0, number = 0, deliveries = 1, delay = 0] = facts.map(Number);
  const body = await peer.bytes(Number(size));
  const end = await peer.line();
  if (end !== "") throw unexpected(name, "mg", end);
  // The delivery to the drain is none.
  return { flags, body, number, deliveries: deliveries - 1, delay };
}

function tooLarge(name: string, size: number): DrainError {
  return new DrainError(`${name} has a message of ${size} bytes, ${MAX_BODY} are possible`);
}

/** The names and values of `stats`, in its order. */
export async function readStats(
  peer: Peer,
  name: string,
): Promise<[name: string, value: string][]> {
  const rows: [string, string][] = [];
  peer.send("stats\r\n");
  for (let line = await peer.line(); line !== "END"; line = await peer.line()) {
    const [, row, value] = /^STAT (\S+) ?(.*)$/.exec(line) ?? [];
    if (row === undefined) throw unexpected(name, "stats", line);
    rows.push([row, value ?? ""]);
  }
  return rows;
}

export function unexpected(name: string, command: string, answer: string): DrainError {
  return new DrainError(`${name} answers "${shorten(answer)}" to a ${command}`);
}

export function shorten(text: string): string {
  return JSON.stringify(text.slice(0, 80)).slice(1, -1);
}
