/** A message: its body is the bytes of `bytes` from `start` up to `end`. */
export interface Message {
  /** The producer's number, unsigned and 32 bits wide; it means nothing to the queue. */
  flags: number;
  /** The message's own number: the first one ever set in its queue has 1. */
  number: number;
  bytes: Buffer;
  start: number;
  end: number;
}

export function newMessage(): Message {
  return { flags: 0, number: 0, bytes: Buffer.alloc(0), start: 0, end: 0 };
}
