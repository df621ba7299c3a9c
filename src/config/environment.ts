import { optionError } from "./error.ts";
import { optionKeys, type Options, optionTable } from "./options.ts";

/** The variables of the environment: `process.env`, or a part of it. */
export type Environment = Record<string, string | undefined>;

const PREFIX = "MEMCACHEQ_";
/**
 * What Kubernetes puts into each container of a namespace that has a Service `memcacheq`, or `memcacheq-udp` and the
 * like: `MEMCACHEQ_SERVICE_HOST`, `MEMCACHEQ_PORT_22201_TCP_ADDR`, `MEMCACHEQ_UDP_PORT`.
 */
const SERVICE_VARIABLE =
  /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;
/** The value of some of them; in a variable that Kubernetes does not make it is a mistake. */
const SERVICE_LINK = /^(tcp|udp|sctp):\/\//;

/** The variable that stands for an option: `checkpointSeconds` is MEMCACHEQ_CHECKPOINT_SECONDS. */
export function variableName(key: keyof Options): string {
  return `${PREFIX}${key.replace(/[A-Z]/g, "_$&").toUpperCase()}`;
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
  if (text === "" || (SERVICE_VARIABLE.test(name) && SERVICE_LINK.test(text))) return undefined;
  const { rule, read, problem, isSecret } = optionTable[key].variable;
  const value = read(text);
  if (value !== undefined) return value;
  throw optionError(isSecret === true ? name : `${name}=${text}`, problem?.(text) ?? rule);
}

/** The variables that are named like those of options and are none: spelling mistakes. */
export function unknownVariables(environment: Environment): string[] {
  const known = new Set(optionKeys.map(variableName));
  return Object.keys(environment).filter(
    (name) => name.startsWith(PREFIX) && !known.has(name) && !SERVICE_VARIABLE.test(name),
  );
}
