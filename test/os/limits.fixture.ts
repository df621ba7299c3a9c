/** Prints what the limits are at each step, as JSON. The hard limit of open files begins at 200. */
import { readFileSync } from "node:fs";

import { getLimit, setLimit } from "../../src/os/libc.ts";
import { raiseCoreFiles, raiseOpenFiles } from "../../src/os/limits.ts";
import { becomeUser, lookUpUser } from "../../src/os/user.ts";

const CAP_SYS_RESOURCE = 24n;

function text({ soft, hard }: { soft: bigint; hard: bigint }): string {
  return `${soft}/${hard}`;
}

function raise(wanted: number): string {
  try {
    raiseOpenFiles(wanted);
  } catch (error) {
    return (error as Error).message;
  }
  return text(getLimit("openFiles"));
}

function core(): string {
  raiseCoreFiles();
  return text(getLimit("coreFiles"));
}

const capabilities = /CapEff:\s*(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
const privileged = ((BigInt(`0x${capabilities}`) >> CAP_SYS_RESOURCE) & 1n) === 1n;

setLimit("openFiles", 100n, 200n);
setLimit("coreFiles", 0n, 4096n);
const own = {
  privileged,
  enough: raise(50),
  within: raise(150),
  exact: raise(200),
  beyond: raise(300),
  core: core(),
};

setLimit("openFiles", 100n, 200n);
setLimit("coreFiles", 0n, 4096n);
const user = lookUpUser("nobody");
if (user !== undefined) becomeUser(user);
const plain = { within: raise(150), beyond: raise(300), core: core() };

console.log(JSON.stringify({ own, plain }));
