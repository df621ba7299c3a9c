import { fstatSync, writeSync } from "node:fs";

/** The log of events, on standard error. */
interface Log {
  level: number;
  /** Lines that are not written yet, and their bytes. */
  pending: Buffer[];
  pendingBytes: number;
  /** Lines that were dropped since the last one that was kept. */
  dropped: number;
  /** Set while standard error takes nothing. */
  retry: Timer | undefined;
  /** Whether standard error is a file, which takes everything at once; undefined before the first line. */
  isFile: boolean | undefined;
  canWrite: CanWrite;
  watch: Watch | undefined;
}

/** Whether a write to the descriptor is done, or fails, without waiting. */
export type CanWrite = (descriptor: number) => boolean;

/** Told of errors and warnings, whatever the level. */
export type Watch = (kind: "error" | "warn", text: string) => void;

const STDERR = 2;
/** Bytes of pending lines; lines beyond are dropped, and counted. */
const MAX_PENDING = 256 * 1024;
/** A pipe that takes any bytes takes as many without waiting (PIPE_BUF). */
const PIPE_BYTES = process.platform === "darwin" ? 512 : 4096;
/** Milliseconds before standard error is tried again when it takes nothing. */
const RETRY_DELAY = 50;
/** Terminals and programs that read lines act on these; U+2028 and U+2029 end a line for some of them. */
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

const log: Log = {
  level: 0,
  pending: [],
  pendingBytes: 0,
  dropped: 0,
  retry: undefined,
  isFile: undefined,
  canWrite: () => true,
  watch: undefined,
};

/** From now on the log asks before it writes, and never waits. Before this call it waits like any write. */
export function openLog(canWrite: CanWrite): void {
  log.canWrite = canWrite;
}

/** From now on this is told of errors and warnings, too. @param watch undefined ends that */
export function watchLog(watch: Watch | undefined): void {
  log.watch = watch;
}

/** 0 logs errors only, 1 warnings and information too, 2 also every command and reply. */
export function setVerbosity(level: number): void {
  log.level = level;
}

export function verbosity(): number {
  return log.level;
}

/** Logs what went wrong, whatever the level. One line; never throws, never waits. */
export function error(text: string): void {
  log.watch?.("error", text);
  write("error", text);
}

/** Logs what an operator should look at, from level 1. One line; never throws, never waits. */
export function warn(text: string): void {
  log.watch?.("warn", text);
  if (log.level >= 1) write("warn", text);
}

/** Logs what happened as it should, from level 1. One line; never throws, never waits. */
export function info(text: string): void {
  if (log.level >= 1) write("info", text);
}

/** Logs requests and replies, from level 2. One line; never throws, never waits. */
export function trace(text: string): void {
  if (log.level >= 2) write("trace", text);
}

/** Does work that may fail without harm to its caller: what it throws is logged. */
export function orLog(work: () => void): void {
  try {
    work();
  } catch (cause) {
    logInternal(cause);
  }
}

/** Logs a mistake of this program, with its stack. */
export function logInternal(cause: unknown): void {
  error(`internal error: ${cause instanceof Error ? cause.stack : String(cause)}`);
}

function write(kind: string, text: string): void {
  if (log.pendingBytes >= MAX_PENDING) {
    log.dropped++;
    return;
  }
  append(kind, text);
  if (log.retry === undefined) flush();
}

function append(kind: string, text: string): void {
  const line = `${new Date().toISOString()} ${kind} ${text.replace(control, escape)}\n`;
  log.pending.push(Buffer.from(line));
  log.pendingBytes += Buffer.byteLength(line);
}

/** Writes pending lines as far as that needs no waiting. */
function flush(): void {
  log.retry = undefined;
  try {
    while (log.pendingBytes > 0) {
      if (!log.canWrite(STDERR)) return flushLater();
      writePiece();
      if (log.pendingBytes === 0 && log.dropped > 0) reportDropped();
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EAGAIN") return flushLater();
    // The pipe is closed or the disk is full: the server goes on without its log.
    log.pending = [];
    log.pendingBytes = 0;
  }
}

function flushLater(): void {
  log.retry = setTimeout(flush, RETRY_DELAY);
  log.retry.unref();
}

function writePiece(): void {
  const [line = Buffer.alloc(0)] = log.pending;
  log.isFile ??= fstatSync(STDERR).isFile();
  const size = log.isFile ? line.length : Math.min(line.length, PIPE_BYTES);
  const written = writeSync(STDERR, line, 0, size);
  log.pendingBytes -= written;
  if (written < line.length) log.pending[0] = line.subarray(written);
  else log.pending.shift();
}

function reportDropped(): void {
  const lines = log.dropped === 1 ? "1 line was" : `${log.dropped} lines were`;
  log.dropped = 0;
  append("error", `${lines} dropped here: the log was not read fast enough`);
}

function escape(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, "0")}`
    : `\\u${code.toString(16).padStart(4, "0")}`;
}
