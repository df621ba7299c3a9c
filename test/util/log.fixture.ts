/**
 * Logs at every level, once the standard input ends; then says on the standard output that it lives.
 * With the path of a named pipe as argument, that pipe is its standard error, full, and never waits.
 * With LOG=unopened the log stays as it is before openLog.
 */
import { closeSync, constants, openSync, writeSync } from "node:fs";

import { canWrite } from "../../src/os/libc.ts";
import { error, info, openLog, setVerbosity, trace, verbosity, warn } from "../../src/util/log.ts";

const STDERR = 2;

function fill(pipe: string): void {
  closeSync(STDERR);
  // The lowest descriptor that is free is taken.
  const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  if (fd !== STDERR) throw new Error(`the pipe became ${fd}`);
  try {
    for (;;) writeSync(fd, new Uint8Array(4096));
  } catch (error) {
    console.log((error as NodeJS.ErrnoException).code);
  }
}

const [pipe] = process.argv.slice(2);
if (pipe !== undefined) fill(pipe);
if (process.env["LOG"] !== "unopened") openLog(canWrite);
await Bun.stdin.text();
for (const level of [0, 1, 2]) {
  setVerbosity(level);
  error(`an error at ${verbosity()}`);
  warn(`a warning at ${verbosity()}`);
  info(`what happened at ${verbosity()}`);
  trace(`a command at ${verbosity()}`);
}
error("forged\n2026-01-01T00:00:00.000Z error \x1b[2J\r\0\x7f\u0085\u2028 naïve \\x0a 队列");
console.log("alive");
