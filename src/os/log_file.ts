import { closeSync, constants, fstatSync, openSync, readlinkSync, statSync } from "node:fs";

import { reasonIn } from "../util/reason.ts";
import { replaceDescriptor } from "./libc.ts";

/** A file that standard error goes to. */
export interface LogFile {
  path: string;
  /** Access mode, for a new file in its place. */
  mode: number;
  /** The descriptors that are this file: standard error, and standard output where both are. */
  descriptors: number[];
}

const STDOUT = 1;
const STDERR = 2;
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOCTTY;
const PERMISSIONS = 0o777;

/** The file that standard error goes to; undefined when it is none, such as a pipe, and where the system does not tell. */
export function findLogFile(): LogFile | undefined {
  try {
    const log = fstatSync(STDERR);
    // A file without a name has no place where a new one could be.
    if (!log.isFile() || log.nlink === 0) return undefined;
    const path = readlinkSync(`/proc/self/fd/${STDERR}`);
    return { path, mode: log.mode & PERMISSIONS, descriptors: [...sameAs(log), STDERR] };
  } catch {
    return undefined;
  }
}

function sameAs(log: { dev: number; ino: number }): number[] {
  const output = fstatSync(STDOUT);
  return output.dev === log.dev && output.ino === log.ino ? [STDOUT] : [];
}

/**
 * Opens the file of that path, which may be a new one since the log was renamed, and goes on there.
 * @throws Error with the reason; the log goes on where it was then
 */
export function reopenLogFile({ path, mode, descriptors }: LogFile): void {
  let fd: number;
  try {
    // To open a pipe that nothing reads would stop the server.
    if (statSync(path, { throwIfNoEntry: false })?.isFIFO()) throw new Error("it is a pipe");
    fd = openSync(path, FLAGS, mode);
  } catch (error) {
    throw new Error(`${path} cannot be opened: ${reasonIn(error)}`);
  }
  for (const descriptor of descriptors) replaceDescriptor(fd, descriptor);
  closeSync(fd);
}
