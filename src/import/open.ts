import { unexpected } from "./answers.ts";
import { nameOf, type Peer, type Place } from "./peer.ts";
import { listInStatsQueue, readItems } from "./queue_list.ts";
import { type Reader, readNumbered, readPlainly, readSiberite, readSingly } from "./readers.ts";
import { connectToKind, type ServerKind } from "./server_kind.ts";
import type { QueueList, Source } from "./source.ts";

/** @throws DrainError when it cannot be reached, or is not a queue server as far as can be told */
export async function openSource(place: Place): Promise<Source> {
  const name = nameOf(place);
  const { peer, kind } = await connectToKind(place);
  const { version, isSiberite } = kind;
  return {
    name,
    version,
    queues: () => listQueues(peer, name, kind),
    problem: (queue) =>
      isSiberite && isCursor(queue)
        ? `${queue} is a cursor of Siberite, which shows the messages of another queue: name that`
        : undefined,
    async giveBack(queue, { flags, body }) {
      const head = Buffer.from(`set ${queue} ${flags} 0 ${body.length}\r\n`, "latin1");
      peer.send(Buffer.concat([head, body, Buffer.from("\r\n")]));
      const stored = await peer.line();
      if (stored !== "STORED") throw unexpected(name, "set", stored);
    },
    ...readerOf(place, name, peer, kind),
  };
}

function readerOf(
  place: Place,
  name: string,
  peer: Peer,
  { reads, isSiberite, knowsEarly }: ServerKind,
): Reader {
  switch (reads) {
    case "plain":
      return readPlainly(peer, name);
    case "numbered":
      return readNumbered(place, name, peer, knowsEarly);
    case "single":
      return isSiberite ? readSiberite(peer, name) : readSingly(peer, name);
  }
}

async function listQueues(peer: Peer, name: string, kind: ServerKind): Promise<QueueList> {
  if (kind.list === "stats queue") return listInStatsQueue(peer, name, kind.reads === "plain");
  const names = [...(await readItems(peer, name)).keys()];
  const queues = kind.isSiberite ? names.filter((queue) => !isCursor(queue)) : names;
  return { names: queues, isCut: false };
}

/** In Siberite `<queue>.<cursor>` reads a queue from its start, and takes nothing. */
function isCursor(queue: string): boolean {
  return queue.includes(".");
}
