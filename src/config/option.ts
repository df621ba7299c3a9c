import { integer, type ValueKind, yesOrNo } from "./values.ts";

/** What an option does, in two words at least: an option without it does not compile. */
export type HelpText = `${string} ${string}`;

/** An option with a value as users type it: `-p <num>`. */
export type ValueUsage = `-${string} <${string}>`;

/** One row of the table of options. */
export interface Option<T> {
  /** As it is typed: `-p`, `--max-messages`. */
  name: string;
  /** What its value is called, `<num>`; undefined for a switch, which has none. */
  hint: string | undefined;
  help: HelpText;
  /** The default as users read it; undefined when there is nothing to say. */
  defaultText: string | undefined;
  defaultValue: T;
  /** What the command line accepts, in words for the user. */
  rule: string;
  /** The value after one more use on the command line; `before` is the value so far. */
  read: (text: string, before: T) => T | undefined;
  /** What is wrong with a value, where that can be said more exactly than by the rule. */
  problem?: ((text: string) => string | undefined) | undefined;
  /** Its text is never repeated. */
  isSecret?: boolean;
  /** How the variable of the environment is read. */
  variable: ValueKind<T>;
}

/** An option with a default, written as a user would type it. */
export function withDefault<T>(
  usage: ValueUsage,
  help: HelpText,
  kind: ValueKind<T>,
  defaultText: string,
): Option<T> {
  const defaultValue = kind.read(defaultText);
  if (defaultValue === undefined) {
    throw new Error(`the default of ${usage} is wrong: ${kind.rule}`);
  }
  return { ...nameAndHint(usage), help, defaultText, defaultValue, ...kind, variable: kind };
}

/**
 * An option without a default; `absent` is what users read in its place.
 * @param variable how the variable of the environment is read, if it is not in the same way
 */
export function optional<T>(
  usage: ValueUsage,
  help: HelpText,
  kind: ValueKind<T>,
  absent?: string,
  variable = kind,
): Option<T | undefined> {
  return {
    ...nameAndHint(usage),
    help,
    defaultText: absent,
    defaultValue: undefined,
    ...kind,
    variable,
  };
}

/** A maximum; without the option there is none. */
export function limit(usage: ValueUsage, help: HelpText, kind: ValueKind<number>): Option<number> {
  return {
    ...nameAndHint(usage),
    help,
    defaultText: "none",
    defaultValue: Infinity,
    ...kind,
    variable: kind,
  };
}

/** A switch: off unless it is given. */
export function toggle(name: `-${string}`, help: HelpText): Option<boolean> {
  return {
    name,
    hint: undefined,
    help,
    defaultText: undefined,
    defaultValue: false,
    rule: "",
    read: () => true,
    variable: yesOrNo(),
  };
}

/** A switch that counts how often it is given. */
export function counter(name: `-${string}`, help: HelpText): Option<number> {
  return {
    name,
    hint: undefined,
    help,
    defaultText: undefined,
    defaultValue: 0,
    rule: "",
    read: (_, before) => before + 1,
    variable: integer("how often it is given is a number", 0, 2),
  };
}

/** An option that may be given again and again; the variable has its values with spaces or line ends between. */
export function repeated<T>(
  usage: ValueUsage,
  help: HelpText,
  kind: ValueKind<T>,
): Option<readonly T[]> {
  const wordsOf = (text: string) => text.split(/\s+/).filter((word) => word !== "");
  const readAll = (text: string): readonly T[] | undefined => {
    const values = wordsOf(text).map((word) => kind.read(word));
    return values.every((value) => value !== undefined) ? values : undefined;
  };
  const problemOf = (text: string) =>
    wordsOf(text)
      .map((word) => kind.problem?.(word))
      .find((problem) => problem !== undefined);
  return {
    ...nameAndHint(usage),
    help,
    defaultText: undefined,
    defaultValue: [],
    rule: kind.rule,
    problem: kind.problem,
    read: (text, before) => {
      const value = kind.read(text);
      return value === undefined ? undefined : [...before, value];
    },
    variable: { rule: kind.rule, read: readAll, problem: problemOf },
  };
}

function nameAndHint(usage: ValueUsage): { name: string; hint: string } {
  const [name = "", hint = ""] = usage.split(" ");
  return { name, hint };
}
