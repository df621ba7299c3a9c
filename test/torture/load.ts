/** Clients that do everything at once, at random, and tell the ledger. */
import type { Random } from "../protocol/random.ts";
import { type Client, newClient, nextRequest, versionRequest } from "./client.ts";
import { fault, type Ledger } from "./ledger.ts";
import { type Address, connect } from "./wire.ts";

export interface Load {
  ledger: Ledger;
  random: Random;
  queues: readonly string[];
  clients: number;
  /** Of these each client picks how many requests it has on their way at once. */
  depths: readonly number[];
  /** How many messages there may be before nobody sets any more. */
  backlog: number;
  /** Of a hundred requests, how many set a message. */
  sets: number;
  /** Of a hundred thousand, how many are a delete or a flush. */
  drops: number;
  /** Errors are to be expected: the disk fails. */
  failing: boolean;
}

export interface Running {
  /** Requests that were sent. */
  sent(): number;
  /** From now on the server may go away. */
  expectEnd(): void;
  /** No client asks for anything new. Resolves when all that was asked is answered and all have left. */
  finish(): Promise<void>;
  /** Resolves when all connections have ended. */
  ended(): Promise<void>;
}

export const QUEUES = ["a", "jobs", "q\xe9\x01", "mail-to-be-sent", "x".repeat(250), "b"] as const;

/** How long the answers to all that was asked may take, milliseconds. */
const PATIENCE = 20_000;
/** A client leaves after about so many times that it sent something, and another one comes. */
const STAY = 2000;

/** Starts the clients: they go on until the server is gone, or `finish` is called. */
export async function startLoad(address: Address, load: Load): Promise<Running> {
  const { ledger, random } = load;
  const present = new Set<Client>();
  const idle = Promise.withResolvers<void>();
  const entering = new Set<Promise<void>>();
  let sent = 0;
  let finishing = false;
  let endExpected = false;

  async function enter(): Promise<void> {
    const client = newClient(load);
    const wire = await connect(address, () => go(client));
    client.wire = wire;
    present.add(client);
    void wire.ended.then(() => leave(client));
    go(client);
  }

  function leave(client: Client): void {
    const failure = client.wire?.failure;
    if (failure !== undefined) fault(ledger, failure);
    else if (!client.leaving && !endExpected) fault(ledger, "the server closed a connection");
    present.delete(client);
    if (client.leaving && !finishing && !endExpected) replace();
  }

  function replace(): void {
    // When the server is about to be killed, there may be nobody to connect to.
    const entered = enter()
      .catch(() => {})
      .finally(() => entering.delete(entered));
    entering.add(entered);
  }

  function go(client: Client): void {
    const { wire, depth } = client;
    if (wire === undefined || wire.isOver()) return;
    if (finishing) return leaveIfDone(client);
    const room = depth - wire.pending.length;
    if (room <= 0) return;
    if (random.below(STAY) === 0) return reset(client);
    const count = random.between(1, room);
    sent += count;
    const requests = Array.from({ length: count }, () => nextRequest(client));
    // Otherwise nothing would come that tells the client to go on.
    if (requests.at(-1)?.shape === "none") requests.push(versionRequest(client));
    wire.send(requests);
  }

  function leaveIfDone(client: Client): void {
    if (client.wire?.pending.length === 0) reset(client);
    if ([...present].every(({ leaving }) => leaving)) idle.resolve();
  }

  function reset(client: Client): void {
    client.leaving = true;
    client.wire?.reset();
  }

  for (let n = 0; n < load.clients; n++) await enter();
  return {
    sent: () => sent,
    expectEnd() {
      endExpected = true;
    },
    async finish() {
      finishing = true;
      const late = setTimeout(() => {
        const waiting = [...present].reduce(
          (sum, { wire }) => sum + (wire?.pending.length ?? 0),
          0,
        );
        fault(ledger, `${waiting} requests are not answered in ${PATIENCE} ms`);
        for (const client of present) reset(client);
        idle.resolve();
      }, PATIENCE);
      await Promise.all(entering);
      for (const client of present) leaveIfDone(client);
      if (present.size > 0) await idle.promise;
      clearTimeout(late);
    },
    async ended() {
      await Promise.all(entering);
      await Promise.all([...present].map(({ wire }) => wire?.ended));
    },
  };
}
