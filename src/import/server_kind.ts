import { ask, readStats, unexpected } from "./answers.ts";
import { connectPeer, DrainError, nameOf, type Peer, type Place } from "./peer.ts";

/** What kind of server the other one is, as far as a drain has to know. */
export interface ServerKind {
  /** As it says itself; Starling says none. */
  version: string | undefined;
  /**
   * plain: a get takes a message for good. single: a message can be opened, and each connection is good for one.
   * numbered: the same, and `gets` tells each message's number in its queue.
   */
  reads: "plain" | "single" | "numbered";
  /** Where it tells its queues: in `stats queue`, a line each, or in plain `stats`. */
  list: "stats queue" | "stats";
  /** Its empty messages look like none, and its cursors like queues. */
  isSiberite: boolean;
  /** It opens messages before their time, and shows its leases. */
  knowsEarly: boolean;
}

/**
 * Connects, and finds out what kind of server it is:
 *
 * | | version | a get of two options that exclude each other |
 * | --- | --- | --- |
 * | memcacheq | yes | an error |
 * | Kestrel, Siberite, Darner | yes | an error, and the connection is closed |
 * | MemcacheQ 0.2 | yes | no message: for it this is the name of a queue |
 * | Starling | no | the same |
 *
 * @throws DrainError when it cannot be reached, or is not a queue server as far as can be told
 */
export async function connectToKind(place: Place): Promise<{ peer: Peer; kind: ServerKind }> {
  const name = nameOf(place);
  const peer = await connectPeer(place);
  const version = await askVersion(peer, name);
  const answer = await ask(peer, "get drain/open/abort");
  if (version !== undefined && answer.startsWith("CLIENT_ERROR")) {
    const isSiberite = version.startsWith("siberite");
    if (await isStillThere(peer)) {
      const knowsEarly = /^(EN|HD)/.test(await ask(peer, "mg drain/peek/leased"));
      const kind = { version, reads: "numbered", list: "stats queue", isSiberite } as const;
      return { peer, kind: { ...kind, knowsEarly } };
    }
    const another = await connectPeer(place);
    return {
      peer: another,
      kind: { version, reads: "single", list: "stats", isSiberite, knowsEarly: false },
    };
  }
  if (answer !== "END") throw unexpected(name, "get", answer);
  if (await isCache(peer, name)) {
    throw new DrainError(`${name} is a cache, not a queue: its get leaves the value where it is`);
  }
  const list = version === undefined ? "stats" : "stats queue";
  return { peer, kind: { version, reads: "plain", list, isSiberite: false, knowsEarly: false } };
}

async function askVersion(peer: Peer, name: string): Promise<string | undefined> {
  const answer = await ask(peer, "version");
  const [, version] = /^VERSION (\S+)/.exec(answer) ?? [];
  if (version !== undefined) return version;
  if (answer === "CLIENT_ERROR bad command line format") return undefined;
  throw unexpected(name, "version", answer);
}

async function isStillThere(peer: Peer): Promise<boolean> {
  try {
    return (await ask(peer, "version")).startsWith("VERSION ");
  } catch (error) {
    if (!(error instanceof DrainError)) throw error;
    return false;
  }
}

/** Whether it says, as memcached does, how many items it has thrown away. */
async function isCache(peer: Peer, name: string): Promise<boolean> {
  const rows = await readStats(peer, name);
  return rows.some(([row]) => row === "evictions");
}
