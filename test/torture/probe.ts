import { fault, type Ledger, noteRefused, noteSet, noteStored } from "./ledger.ts";
import { QUEUES } from "./load.ts";
import type { Server } from "./server.ts";
import { ask, connect, setBytes, type Wire } from "./wire.ts";

/** How long the server may take to notice that there is nothing wrong any more, milliseconds. */
const PATIENCE = 5000;
const BYTES = 100;
const QUEUE = QUEUES[1];

/** Sets a message again and again until it is stored, which tells that the server goes on by itself. */
export async function probe(ledger: Ledger, server: Server): Promise<void> {
  const wire = await connect(server.address);
  const producer = ++ledger.producers;
  const deadline = Date.now() + PATIENCE;
  for (let sequence = 1; ; sequence++) {
    const answer = await setOne(ledger, wire, { queue: QUEUE, producer, sequence }, BYTES);
    if (answer === "STORED") break;
    if (Date.now() > deadline) {
      fault(ledger, `still ${answer} when nothing fails any more`);
      break;
    }
    await Bun.sleep(1);
  }
  wire.reset();
}

/** Sets one message. @returns the answer */
export async function setOne(
  ledger: Ledger,
  wire: Wire,
  origin: { queue: string; producer: number; sequence: number },
  length: number,
): Promise<string> {
  const { sent, body, flags } = noteSet(ledger, origin, length);
  const { line } = await ask(wire, setBytes(origin.queue, flags, body));
  if (line === "STORED") noteStored(ledger, sent);
  else noteRefused(ledger, sent, line);
  return line;
}
