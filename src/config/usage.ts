import { actionFlags } from "./actions.ts";
import { variableName } from "./environment.ts";
import { optionKeys, optionTable } from "./options.ts";

/** An option or an action as users read about it. */
export interface Usage {
  /** As it is typed: `-p`, `--max-messages`. */
  name: string;
  /** What its value is called, `<num>`; undefined where there is none. */
  hint: string | undefined;
  help: string;
  /** The default as users read it; undefined when there is nothing to say. */
  defaultText: string | undefined;
  /** The variable of the environment that stands for it, `MEMCACHEQ_PORT`. */
  variable: string | undefined;
}

/** All options and actions, in the order of help: first those of one letter. */
export function listUsages(): Usage[] {
  const usages = [...optionUsages(), ...actionUsages()];
  return [...usages.filter((usage) => !isLong(usage)), ...usages.filter(isLong)];
}

/** Whether its name is a word, not one letter. */
export function isLong({ name }: Usage): boolean {
  return name.startsWith("--");
}

function optionUsages(): Usage[] {
  return optionKeys.map((key) => {
    const { name, hint, help, defaultText } = optionTable[key];
    return { name, hint, help, defaultText, variable: variableName(key) };
  });
}

function actionUsages(): Usage[] {
  return actionFlags.map(({ name, help }) => {
    return { name, hint: undefined, help, defaultText: undefined, variable: undefined };
  });
}
