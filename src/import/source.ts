/** A message on its way from the other server. */
export interface MovedMessage {
  /** Unsigned, 32 bits. */
  flags: number;
  body: Buffer;
  /** How often it was delivered there before. */
  deliveries: number;
  /** Milliseconds until it can be delivered. */
  delay: number;
}

/** The queues of the other server. */
export interface QueueList {
  names: string[];
  /** There may be more that it does not tell. */
  isCut: boolean;
}

/** Where messages are drained from. All of it throws a DrainError when that server fails. */
export interface Source {
  /** Its address; and its version, as it says itself, if it does. */
  name: string;
  version: string | undefined;
  /** A message that it gives stays in its queue until it is confirmed, and is free again there when the connection ends. */
  reliable: boolean;
  /** The largest number of messages that can be taken at a time. */
  maxBatch: number;
  queues(): Promise<QueueList>;
  /** Waits until no message of the queue is leased, at most so many milliseconds; then leases that are left end. */
  endLeases(queue: string, milliseconds: number): Promise<void>;
  /** Why the queue cannot be drained, in words for the user. */
  problem(queue: string): string | undefined;
  /** Takes the oldest messages of the queue, up to `count`, and adds each to `messages`, the oldest first. */
  take(queue: string, count: number, messages: MovedMessage[]): Promise<void>;
  /** The first `count` messages that were taken from the queue and not confirmed are stored, and can go there. */
  confirm(queue: string, count: number): Promise<void>;
  /** Appends to the queue there. */
  giveBack(queue: string, { flags, body }: Pick<MovedMessage, "flags" | "body">): Promise<void>;
  end(): void;
}
