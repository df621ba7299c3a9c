import { program } from "../util/version.ts";
import { isLong, listUsages, type Usage } from "./usage.ts";

/** What completes flags in a shell: the file's name, as the shell looks for it, and its text. */
export interface Completion {
  file: string;
  text: string;
}

/** What a value can be completed from. */
type Source = "files" | "directories" | "users" | "nothing";

export function completions(): Completion[] {
  const usages = listUsages();
  return [
    { file: `${program}.bash`, text: bash(usages) },
    { file: `_${program}`, text: zsh(usages) },
    { file: `${program}.fish`, text: fish(usages) },
  ];
}

function sourceOf({ hint }: Usage): Source | undefined {
  if (hint === undefined) return undefined;
  const sources: Record<string, Source> = {
    "<file>": "files",
    "<dir>": "directories",
    "<user>": "users",
  };
  return sources[hint] ?? "nothing";
}

function bash(usages: readonly Usage[]): string {
  const actions: Record<Source, string> = {
    files: 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$current"))',
    directories: 'compopt -o filenames; COMPREPLY=($(compgen -d -- "$current"))',
    users: 'COMPREPLY=($(compgen -u -- "$current"))',
    nothing: ":",
  };
  const cases = Object.entries(actions).flatMap(([source, action]) => {
    const names = usages.filter((usage) => sourceOf(usage) === source).map(({ name }) => name);
    return names.length === 0 ? [] : [`    ${names.join("|")}) ${action}; return ;;`];
  });
  return [
    `# Completes the flags of ${program} in bash.`,
    `_${program}() {`,
    "  local IFS=$'\\n' current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}",
    "  COMPREPLY=()",
    "  case $previous in",
    ...cases,
    "  esac",
    `  COMPREPLY=($(compgen -W $'${usages.map(({ name }) => name).join("\\n")}' -- "$current"))`,
    "}",
    `complete -F _${program} ${program}`,
    "",
  ].join("\n");
}

function zsh(usages: readonly Usage[]): string {
  const actions: Record<Source, string> = {
    files: "_files",
    directories: "_directories",
    users: "_users",
    nothing: " ",
  };
  const specs = usages.map((usage) => {
    const { name, hint, help } = usage;
    const source = sourceOf(usage);
    const sign = source === undefined ? "" : isLong(usage) ? "=" : "+";
    const message = hint?.slice(1, -1).replaceAll(":", "\\:") ?? "";
    const value = source === undefined ? "" : `:${message}:${actions[source]}`;
    return `  ${quoted(`${name}${sign}[${escaped(help)}]${value}`)}`;
  });
  return [
    `#compdef ${program}`,
    `# Completes the flags of ${program} in zsh.`,
    "_arguments -s -S \\",
    `${specs.join(" \\\n")}`,
    "",
  ].join("\n");
}

function fish(usages: readonly Usage[]): string {
  const values: Record<Source, string> = {
    files: " -r -F",
    directories: " -x -a '(__fish_complete_directories)'",
    users: " -x -a '(__fish_complete_users)'",
    nothing: " -x",
  };
  const lines = usages.map((usage) => {
    const { name, help } = usage;
    const source = sourceOf(usage);
    const flag = isLong(usage) ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`;
    return `complete -c ${program} ${flag}${source === undefined ? "" : values[source]} -d ${quoted(help)}`;
  });
  return [
    `# Completes the flags of ${program} in fish.`,
    `complete -c ${program} -f`,
    ...lines,
    "",
  ].join("\n");
}

/** For a shell, in single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Brackets end a description for zsh. */
function escaped(help: string): string {
  return help.replace(/[[\]\\]/g, "\\$&");
}
