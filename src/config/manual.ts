import { program, version } from "../util/version.ts";
import { listUsages, type Usage } from "./usage.ts";

/** The manual page of section 1, in the language of man(7). */
export function manual(): string {
  return [
    `.TH ${program.toUpperCase()} 1 "" "${program} ${version}"`,
    // Without breaks within words and without spaces that fill the lines, names can be searched for.
    ".nh",
    ".ad l",
    ".SH NAME",
    `${program} \\- persistent message queue that speaks the memcached protocol`,
    ".SH SYNOPSIS",
    `.B ${program}`,
    "[flags]",
    ".SH DESCRIPTION",
    `.B ${program}`,
    "keeps queues of messages.",
    "Any memcached client is a queue client:",
    ".B set",
    "appends a message to a queue,",
    ".B get",
    "takes the oldest one.",
    "What is answered STORED is on disk.",
    "The server runs until it gets SIGTERM, SIGINT or SIGQUIT, and then ends cleanly; stored messages are safe",
    "whichever way it ends. At SIGHUP it opens its log file and reads its other files again; in a terminal it ends.",
    ".SH OPTIONS",
    "What no flag says is taken from the variable of the environment that is named in brackets.",
    "Of a flag without a value it is 1 or 0.",
    ...listUsages().flatMap(paragraph),
    ".SH EXIT STATUS",
    "0 after a clean end, and for an answered",
    `${bold("--ping")}; 1 with a message on standard error when a flag is wrong or the server cannot start.`,
    ".SH FILES",
    ".TP",
    bold("memcacheq.db"),
    "in the directory of",
    `${bold("-H")}: the queues, a SQLite database.`,
    "While the server runs its log is beside it, and the log's index",
    `(${bold("-wal")} and ${bold("-shm")} behind the name).`,
    ".SH SEE ALSO",
    "README.md and src/protocol/PROTOCOL.md of the source, for the commands.",
    "",
  ].join("\n");
}

function paragraph({ name, hint, help, defaultText, variable }: Usage): string[] {
  const value = hint === undefined ? "" : ` \\fI${hint.slice(1, -1)}\\fR`;
  return [
    ".TP",
    `${bold(name)}${value}`,
    `${help.charAt(0).toUpperCase()}${escape(help.slice(1))}.`,
    ...(defaultText === undefined ? [] : [`Default: ${escape(defaultText)}.`]),
    ...(variable === undefined ? [] : [".br", `[${variable}]`]),
  ];
}

function bold(text: string): string {
  return `\\fB${escape(text)}\\fR`;
}

/** Keeps hyphens that users copy and type, and characters that would be commands. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^['.]/, "\\&$&");
}
