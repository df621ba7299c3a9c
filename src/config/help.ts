import { program, version } from "../util/version.ts";
import { isLong, listUsages, type Usage } from "./usage.ts";

/** Columns. */
const WIDTH = 80;

/** The text of `-h`, at most 80 columns wide. */
export function help(): string {
  return [
    `${program} ${version}`,
    "",
    `usage: ${program} [flags]`,
    "",
    "What no flag says is taken from the environment, under the name in brackets.",
    "",
    ...listFlags(listUsages()),
    "",
  ].join("\n");
}

function listFlags(usages: Usage[]): string[] {
  const letters = usages.filter((usage) => !isLong(usage));
  const indent = Math.max(...letters.map((usage) => label(usage).length));
  return usages.flatMap((usage) => {
    const [first = "", ...others] = wrap(description(usage), WIDTH - indent);
    const start = label(usage);
    // A long name has a line of its own.
    if (start.length > indent) return [start.trimEnd(), ...indented([first, ...others], indent)];
    return [start.padEnd(indent) + first, ...indented(others, indent)];
  });
}

function label({ name, hint }: Usage): string {
  return `  ${name}${hint === undefined ? "" : ` ${hint}`}  `;
}

function description({ help, defaultText, variable }: Usage): string {
  const shownDefault = defaultText === undefined ? "" : ` (default:\u00a0${defaultText})`;
  return `${help}${shownDefault}${variable === undefined ? "" : ` [${variable}]`}`;
}

function indented(lines: string[], indent: number): string[] {
  return lines.map((line) => " ".repeat(indent) + line);
}

/** Breaks text at its spaces; a no-break space keeps words together. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].map((line) => line.replace("\u00a0", " "));
}
