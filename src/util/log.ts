import { fstatSync, writeSync } from "node:fs";

import { canWrite } from "../os/libc.ts";

const STDERR = 2;

// Terminals and line readers act on these; U+2028 and U+2029 end a line for some of them.
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Bytes of lines that nobody has read yet; what comes beyond is dropped, and counted. */
const MOST_PENDING = 256 * 1024;
/** A pipe that takes any bytes takes so many without waiting (PIPE_BUF). */
const PIECE = process.platform === "darwin" ? 512 : 4096;
/** How long before a reader that fell behind is tried again, in ms. */
const RETRY = 50;

let level = 0;
/** What standard error had no room for yet. */
let pending: Buffer[] = [];
let pendingBytes = 0;
let dropped = 0;
let retry: Timer | undefined;
/** Standard error is a file, which takes everything at once. */
let isFile: boolean | undefined;

/** 0 logs errors only, 1 warnings too, 2 also every command and reply. */
export function setVerbosity(n: number): void {
  level = n;
}

export function verbosity(): number {
  return level;
}

/** Logs what went wrong, whatever the level. One line; never throws, never waits. */
export function error(text: string): void {
  write("error", text);
}

/** Logs what an operator should look at, from level 1. One line; never throws, never waits. */
export function warn(text: string): void {
  if (level >= 1) write("warn", text);
}

/** Logs what clients say and are answered, from level 2. One line; never throws, never waits. */
export function trace(text: string): void {
  if (level >= 2) write("trace", text);
}

/** For work that others must not suffer from: what it throws goes into the log whole. */
export function orLog(work: () => void): void {
  try {
    work();
  } catch (cause) {
    logInternal(cause);
  }
}

/** Logs a mistake of ours. */
export function logInternal(cause: unknown): void {
  error(`internal error: ${cause instanceof Error ? cause.stack : String(cause)}`);
}

function write(kind: string, text: string): void {
  if (pendingBytes >= MOST_PENDING) {
    dropped++;
    return;
  }
  keep(kind, text);
  if (retry === undefined) flush();
}

function keep(kind: string, text: string): void {
  const line = `${new Date().toISOString()} ${kind} ${text.replace(control, escape)}\n`;
  pending.push(Buffer.from(line));
  pendingBytes += Buffer.byteLength(line);
}

/** Writes what is pending, as far as nobody has to be waited for. */
function flush(): void {
  retry = undefined;
  try {
    while (pendingBytes > 0) {
      if (!canWrite(STDERR)) return tryLater();
      writePiece();
      if (pendingBytes === 0 && dropped > 0) tellDropped();
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EAGAIN") return tryLater();
    // Nobody reads the log any more, or there is no room for it: the queue goes on without it.
    pending = [];
    pendingBytes = 0;
  }
}

function tryLater(): void {
  retry = setTimeout(flush, RETRY);
  retry.unref();
}

function writePiece(): void {
  const [line = Buffer.alloc(0)] = pending;
  isFile ??= fstatSync(STDERR).isFile();
  const written = writeSync(STDERR, line, 0, isFile ? line.length : Math.min(line.length, PIECE));
  pendingBytes -= written;
  if (written < line.length) pending[0] = line.subarray(written);
  else pending.shift();
}

function tellDropped(): void {
  const lines = dropped === 1 ? "1 line was" : `${dropped} lines were`;
  dropped = 0;
  keep("error", `${lines} dropped here: the log was not read fast enough`);
}

function escape(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, "0")}`
    : `\\u${code.toString(16).padStart(4, "0")}`;
}
