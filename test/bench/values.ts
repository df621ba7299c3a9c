/** Readers of flags' values. Each throws an Error whose message says what is wrong and what is accepted. */
import type { DialectName } from "./job.ts";
import type { Peer } from "./options.ts";

export function whole(flag: string, text: string, least: number, most: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new Error(`${flag} wants a whole number from ${least} to ${most}, not "${text}"`);
}

export const portNumber = (flag: string, text: string): number => whole(flag, text, 1, 65_535);

export function pidNumber(flag: string, text: string | undefined): number | null {
  return text === undefined ? null : whole(flag, text, 1, 4_194_304);
}

export function seconds(text: string): number {
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (number >= 0.1 && number <= 60) return number;
  throw new Error(`--seconds wants a number from 0.1 to 60, not "${text}"`);
}

export function counts(flag: string, text: string, most: number): number[] {
  return text.split(",").map((part) => whole(flag, part, 1, most));
}

export function names<Name extends string>(
  flag: string,
  text: string,
  known: readonly Name[],
): Name[] {
  return text.split(",").map((part) => {
    const name = known.find((candidate) => candidate === part);
    if (name !== undefined) return name;
    throw new Error(`${flag} wants a list of ${known.join(", ")}, not "${part}"`);
  });
}

/** `name=port` or `name=port:pid`. */
export function namedPeer(text: string): Peer {
  const [, name, where] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  if (name === undefined || where === undefined) {
    throw new Error(`--peer wants name=port, not "${text}"`);
  }
  return peer("--peer", name, "memcached", where);
}

/** `port` or `port:pid`. */
export function peer(flag: string, name: string, dialect: DialectName, where: string): Peer {
  const [port = "", pid, ...rest] = where.split(":");
  if (rest.length > 0) throw new Error(`${flag} wants port or port:pid, not "${where}"`);
  const address = { hostname: "127.0.0.1", port: portNumber(flag, port) };
  return { name, dialect, address, pid: pidNumber(flag, pid) };
}
