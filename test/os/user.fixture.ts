/** Becomes the user named by the argument and prints what became of this process, as JSON. */
import { lstatSync, readdirSync, readFileSync } from "node:fs";

import { becomeUser, lookUpUser } from "../../src/os/user.ts";

/** The lines of a thread's status that say who it is. */
function identity(thread: string): string {
  const lines = readFileSync(`/proc/self/task/${thread}/status`, "utf8").split("\n");
  return lines
    .filter((line) => /^(Uid|Gid|Groups):/.test(line))
    .map((line) => line.trim().split(/\s+/).join(" "))
    .join(", ");
}

function complaint(action: () => unknown): string {
  try {
    action();
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

const [name] = process.argv.slice(2);
const root = process.geteuid?.() === 0;
// Root's own groups must be gone afterwards.
if (root) process.setgroups?.([0, 1, 2]);

const missing = complaint(() => lookUpUser(undefined));
const unknown = complaint(() => lookUpUser("no-such-user"));
const user = lookUpUser(name);
const failure = user === undefined ? "" : complaint(() => becomeUser(user));

console.log(
  JSON.stringify({
    missing,
    unknown,
    user,
    failure,
    threads: [...new Set(readdirSync("/proc/self/task").map(identity))],
    owner: lstatSync("/proc/self/fd").uid,
    wayBack: complaint(() => process.setuid?.(0)),
    again: complaint(() => lookUpUser(undefined)),
  }),
);
