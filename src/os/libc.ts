import { CString, dlopen, type FFIFunction, type Pointer, read } from "bun:ffi";
import { closeSync } from "node:fs";

/** What a process has a limit of: open file descriptors, or bytes of a core file. */
export type Resource = "openFiles" | "coreFiles";

/** A resource limit; {@link unlimited} stands for no limit. */
export interface Limit {
  soft: bigint;
  hard: bigint;
}

/** A user's entry in the system's user database. */
export interface User {
  name: string;
  uid: number;
  gid: number;
}

const darwin = process.platform === "darwin";

const libraries = darwin
  ? ["/usr/lib/libSystem.B.dylib", "libc.dylib"]
  : ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1", "libc.so"];

const NO_MACHINE_CODE =
  "this machine forbids executable memory, which is needed: machine code is made at run time " +
  "(MemoryDenyWriteExecute in a unit of systemd, execmem of SELinux, or a hardened kernel forbids it)";

/** RLIM_INFINITY. */
export const unlimited = darwin ? 0x7fff_ffff_ffff_ffffn : 0xffff_ffff_ffff_ffffn;

const resources: Record<Resource, number> = { openFiles: darwin ? 8 : 7, coreFiles: 4 };

/** Handlers of signals that are no function, and where in struct sigaction the handler is. */
const SIG_DFL = 0n;
const SIG_IGN = 1;
const HANDLER_OFFSET = 0;
/** struct sigaction takes no more on any system served here. */
const SIGACTION_BYTES = 256;

const POLLOUT = 4;
const LOCK_EX_NB = 2 | 4;
const PR_SET_DUMPABLE = 4;
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const MSG_NOSIGNAL = 0x4000;
const SYNC_FILE_RANGE_WRITE = 2;
const IPPROTO_TCP = 6;
const TCP_USER_TIMEOUT = 18;

// struct passwd begins with two pointers (name, password) on every system served here.
const NAME_OFFSET = 0;
const UID_OFFSET = 16;
const GID_OFFSET = 20;

const functions = {
  poll: { args: ["buffer", "u64", "i32"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  getrlimit: { args: ["i32", "buffer"], returns: "i32" },
  setrlimit: { args: ["i32", "buffer"], returns: "i32" },
  getpwnam: { args: ["cstring"], returns: "ptr" },
  setsockopt: { args: ["i32", "i32", "i32", "buffer", "u32"], returns: "i32" },
  getpwuid: { args: ["u32"], returns: "ptr" },
  initgroups: { args: ["cstring", "u32"], returns: "i32" },
  sigaction: { args: ["i32", "ptr", "buffer"], returns: "i32" },
  signal: { args: ["i32", "u64"], returns: "u64" },
  dup2: { args: ["i32", "i32"], returns: "i32" },
  _exit: { args: ["i32"], returns: "void" },
} as const satisfies Record<string, FFIFunction>;

// Apart, because a library that lacks one of the wanted functions cannot be opened, and only Linux has these.
const linuxFunctions = {
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  sendto: {
    args: ["i32", "buffer", "u64", "i32", "buffer", "u32"],
    returns: "i32",
  },
  sync_file_range: { args: ["i32", "i64", "i64", "u32"], returns: "i32" },
} as const satisfies Record<string, FFIFunction>;

function open<F extends Record<string, FFIFunction>>(wanted: F) {
  for (const library of libraries) {
    try {
      return dlopen(library, wanted).symbols;
    } catch (error) {
      if (needsMachineCode(error)) throw new Error(NO_MACHINE_CODE);
    }
  }
  throw new Error(`the C library cannot be opened (tried ${libraries.join(", ")})`);
}

/** bun:ffi makes machine code for each function. */
function needsMachineCode(error: unknown): boolean {
  return (error as Error).message.includes("JIT");
}

interface Opened {
  common?: ReturnType<typeof open<typeof functions>>;
  linux?: ReturnType<typeof open<typeof linuxFunctions>>;
}

/** The functions are opened at their first use: opening them takes time, and gives the same each time. */
const cache: Opened = {};

function libc() {
  return (cache.common ??= open(functions));
}

function linuxLibc() {
  return (cache.linux ??= open(linuxFunctions));
}

/**
 * Takes the exclusive lock of an open file, without waiting. The lock ends with the descriptor.
 * True when this process has it now.
 */
export function lockFile(fd: number): boolean {
  return libc().flock(fd, LOCK_EX_NB) === 0;
}

/** Whether a write to the descriptor is done, or fails, without waiting for its reader. */
export function canWrite(fd: number): boolean {
  // struct pollfd: the descriptor, and 16 bits each for the events asked for and those found.
  return libc().poll(new Int32Array([fd, POLLOUT]), 1, 0) !== 0;
}

/** What the process does at a signal: what is usual, nothing, or something of its own. */
export type Disposition = "default" | "ignored" | "handled";

/** What the process does at the signal of that number. */
export function dispositionOf(signal: number): Disposition {
  const action = Buffer.alloc(SIGACTION_BYTES);
  if (libc().sigaction(signal, null, action) !== 0) return "handled";
  const handler = action.readBigUInt64LE(HANDLER_OFFSET);
  if (handler === SIG_DFL) return "default";
  return handler === BigInt(SIG_IGN) ? "ignored" : "handled";
}

/** From now on the process does nothing at the signal of that number. */
export function ignoreSignal(signal: number): void {
  libc().signal(signal, SIG_IGN);
}

/** Makes `target` a second descriptor of the open file `fd`, in place of what it was. False when the system refuses it. */
export function replaceDescriptor(fd: number, target: number): boolean {
  return libc().dup2(fd, target) >= 0;
}

/** Ends the process at once: nothing more of this program runs. */
export function endProcess(code: number): void {
  libc()._exit(code);
}

/** This process's limit of a resource. */
export function getLimit(resource: Resource): Limit {
  const pair = new BigUint64Array(2);
  if (libc().getrlimit(resources[resource], pair) !== 0)
    throw new Error(`the system does not tell the limit of ${resource}`);
  const [soft = 0n, hard = 0n] = pair;
  return { soft, hard };
}

/** Sets this process's limit of a resource. False when the system refuses it. */
export function setLimit(resource: Resource, soft: bigint, hard: bigint): boolean {
  return libc().setrlimit(resources[resource], new BigUint64Array([soft, hard])) === 0;
}

/** The user of that name, from any source that the system is configured to use. */
export function findUser(name: string): User | undefined {
  const entry = libc().getpwnam(name);
  if (entry === null) return undefined;
  return { name, uid: read.u32(entry, UID_OFFSET), gid: read.u32(entry, GID_OFFSET) };
}

/**
 * Ends a TCP connection when what was sent is not acknowledged for so many milliseconds; 0 is the system's own limit. For
 * a listening socket: those that it accepts. False where there is no such limit.
 */
export function setUserTimeout(fd: number, milliseconds: number): boolean {
  if (process.platform !== "linux") return false;
  const value = new Uint32Array([milliseconds]);
  return libc().setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, value, value.byteLength) === 0;
}

/** The name of the user whose id it is; undefined when the system has none. */
export function findUserName(uid: number): string | undefined {
  const entry = libc().getpwuid(uid);
  if (entry === null) return undefined;
  return new CString(read.ptr(entry, NAME_OFFSET) as Pointer).toString();
}

/** Joins all the groups of the user. False when the system refuses it. */
export function joinGroups(user: User): boolean {
  return libc().initgroups(user.name, user.gid) === 0;
}

/** Allows core files of this process again: Linux forbids them when a process changes its user (prctl(2)). */
export function allowCoreFiles(): void {
  if (process.platform === "linux") linuxLibc().prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/**
 * Sends text as one datagram to a Unix socket of Linux; one whose path begins with `@` is in no directory. False when
 * it cannot be sent.
 */
export function sendDatagram(path: string, text: string): boolean {
  const { socket, sendto } = linuxLibc();
  const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return false;
  const data = Buffer.from(text);
  const address = Buffer.from(`\0\0${path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`}`);
  address.writeUInt16LE(AF_UNIX);
  try {
    return sendto(fd, data, data.length, MSG_NOSIGNAL, address, address.length) === data.length;
  } finally {
    closeSync(fd);
  }
}

/**
 * Lets the disk begin to write what has been written to the file, without waiting for it (sync_file_range(2)): it makes
 * a later sync shorter, and does not replace it. False where there is no such call.
 */
export function startWriting(fd: number): boolean {
  if (process.platform !== "linux") return false;
  return linuxLibc().sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE) === 0;
}
