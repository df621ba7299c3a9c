import { writeSync } from "node:fs";

const STDERR = 2;

// Terminals and line readers act on these; U+2028 and U+2029 end a line for some of them.
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

let level = 0;

/** 0 logs errors only, 1 warnings too, 2 also every command and reply. */
export function setVerbosity(n: number): void {
  level = n;
}

export function verbosity(): number {
  return level;
}

/** Logs what went wrong, whatever the level. One line; never throws. */
export function error(text: string): void {
  write("error", text);
}

/** Logs what an operator should look at, from level 1. One line; never throws. */
export function warn(text: string): void {
  if (level >= 1) write("warn", text);
}

/** Logs what clients say and are answered, from level 2. One line; never throws. */
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
  const line = `${new Date().toISOString()} ${kind} ${text.replace(control, escape)}\n`;
  try {
    writeSync(STDERR, line);
  } catch {
    // Nobody reads the log (closed, full): the queue goes on without it.
  }
}

function escape(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, "0")}`
    : `\\u${code.toString(16).padStart(4, "0")}`;
}
