import { getSystemErrorMap } from "node:util";

/**
 * Why something failed, in one line for the user: in the system's words without its code, or what the error says
 * without the path that the runtime adds, since the caller names it.
 */
export function reasonIn(error: unknown): string {
  const { code, errno = 0, syscall, message } = error as NodeJS.ErrnoException;
  if (syscall === "getaddrinfo") return "the name cannot be resolved";
  // SQLite has numbers of its own.
  const [name, words] = getSystemErrorMap().get(-Math.abs(errno)) ?? [];
  if (words !== undefined && name === code) return words;
  const [line = ""] = message.split("\n", 1);
  return line.replace(/, \w+ '.*'$/, "");
}
