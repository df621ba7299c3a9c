import type { HelpText } from "./option.ts";

/** Something to do in place of serving. */
export type Action = "ping" | "top" | "hash-password" | "help" | "version" | "license";

/** The flag that asks for an action. */
export interface ActionFlag {
  /** As it is typed: `-h`, `--ping`. */
  name: string;
  help: HelpText;
  action: Action;
}

export const actionFlags: readonly ActionFlag[] = [
  {
    name: "--ping",
    help: "ask the server at -s, or -l and -p, for its version: exit code 0 if it answers within a second, also that it has no room for another client",
    action: "ping",
  },
  {
    name: "--top",
    help: "show the queues of the server at -s, or -l and -p, again and again until q is typed; once where the output is no terminal",
    action: "top",
  },
  {
    name: "--hash-password",
    help: "read a password from standard input and print its hash for --auth-file",
    action: "hash-password",
  },
  { name: "-h", help: "print this help", action: "help" },
  { name: "--help", help: "the same as -h", action: "help" },
  { name: "-V", help: "print the version", action: "version" },
  { name: "--version", help: "the same as -V", action: "version" },
  { name: "-i", help: "print the licence", action: "license" },
];
