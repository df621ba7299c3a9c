/** The options of the engine. */
export interface Settings {
  /** Bytes of the largest body. */
  maxBody: number;
  /** A commit waits for the disk, so that gathering a little longer may pay. */
  waitsForDisk: boolean;
  /** Bytes that close a group, once gathering has taken as long as the last commit. */
  logBuffer: number;
  version: string;
}

/** The time, and when the engine is called again: the event loop's, or a simulated one. */
export interface Runtime {
  /** Milliseconds from any fixed moment; never goes back. */
  monotonic(): number;
  /** Milliseconds since 1970. */
  calendar(): number;
  /** Calls once all sockets that have something to read were read. */
  soon(work: () => void): void;
  /** Calls after so many milliseconds, unless the returned function was called before. */
  after(milliseconds: number, work: () => void): () => void;
}
