import { optionError } from "./error.ts";
import { type Options, optionTable } from "./options.ts";

/** The variables of the environment: `process.env`, or a part of it. */
export type Environment = Record<string, string | undefined>;

/** The variable that stands for an option: `checkpointSeconds` is MEMCACHEQ_CHECKPOINT_SECONDS. */
export function variableName(key: keyof Options): string {
  return `MEMCACHEQ_${key.replace(/[A-Z]/g, "_$&").toUpperCase()}`;
}

/**
 * The option's value in the environment; undefined where the variable is missing or empty.
 * @throws OptionError when the value is wrong
 */
export function readVariable<K extends keyof Options>(
  environment: Environment,
  key: K,
): Options[K] | undefined {
  const name = variableName(key);
  const text = environment[name] ?? "";
  if (text === "" || isServiceLink(key, text)) return undefined;
  const { rule, read, problem } = optionTable[key].variable;
  const value = read(text);
  if (value === undefined) throw optionError(`${name}=${text}`, problem?.(text) ?? rule);
  return value;
}

/** Kubernetes tells each container of a namespace the address of its service `memcacheq`, in MEMCACHEQ_PORT. */
function isServiceLink(key: keyof Options, text: string): boolean {
  return key === "port" && text.startsWith("tcp://");
}
