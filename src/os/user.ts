import { allowCoreFiles, findUser, joinGroups, type User } from "./libc.ts";

export type { User };

/**
 * The user that `-u` asks to become; undefined when this process is not root, because only root can change its user.
 * @throws Error for root without `-u`, and for a name that the system does not know
 */
export function lookUpUser(name: string | undefined): User | undefined {
  if (process.geteuid?.() !== 0) return undefined;
  if (name === undefined)
    throw new Error("can't run as root without -u <user> (-u root if you mean it)");
  const user = findUser(name);
  if (user === undefined) throw new Error(`-u ${name}: there is no user of that name`);
  return user;
}

/**
 * Does the work as the user, without its other groups, and becomes root again: what is made then is the user's from the
 * beginning, and nothing has to be given away by its name, which could mean another file by then.
 */
export function asUser<T>({ uid, gid }: User, work: () => T): T {
  const [rootUser, rootGroup] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  process.setegid?.(gid);
  process.seteuid?.(uid);
  try {
    return work();
  } finally {
    process.seteuid?.(rootUser);
    process.setegid?.(rootGroup);
  }
}

/**
 * Gives root up for good: from here on this process is `user`, with that user's groups only.
 * @throws Error when any of it fails; the process must not go on then
 */
export function becomeUser(user: User): void {
  try {
    change(user);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`-u ${user.name}: this process cannot become that user: ${reason}`);
  }
  allowCoreFiles();
}

function change(user: User): void {
  // The user is changed last: without root the groups could not be changed any more.
  // Root of a container without privileges may change no groups, and is the user that it has to be.
  if (!joinGroups(user) && !is(user)) throw new Error("its groups are refused");
  process.setgid?.(user.gid);
  process.setuid?.(user.uid);
  if (!is(user)) throw new Error("the system changed nothing and reported no error");
}

function is({ uid, gid }: User): boolean {
  const users = [process.getuid?.(), process.geteuid?.()];
  const groups = [process.getgid?.(), process.getegid?.()];
  return users.every((id) => id === uid) && groups.every((id) => id === gid);
}
