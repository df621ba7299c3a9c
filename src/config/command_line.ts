import { type Action, actionFlags } from "./actions.ts";
import { type Environment, readVariable } from "./environment.ts";
import { optionError } from "./error.ts";
import { optionKeys, type Options, optionTable } from "./options.ts";

/** What the command line asks for. */
export type CommandLine =
  | { action: "run" | "ping" | "top"; options: Options }
  | { action: "hash-password" }
  | { action: "help" }
  | { action: "version" }
  | { action: "license" };

const keyOfName = new Map(optionKeys.map((key) => [optionTable[key].name, key]));
const actionOfName = new Map(actionFlags.map(({ name, action }) => [name, action]));

/**
 * Reads the arguments after the program's name, the way getopt does; the last use of an option counts. What they don't
 * say is taken from the environment.
 * @throws OptionError at the first option or value that is wrong
 */
export function parseCommandLine(
  args: readonly string[],
  environment: Environment = {},
): CommandLine {
  const given: Partial<Options> = {};
  const rest = [...args];
  const operands: string[] = [];
  let action: "run" | "ping" | "top" = "run";
  for (let arg = rest.shift(); arg !== undefined && arg !== "--"; arg = rest.shift()) {
    if (arg === "-" || !arg.startsWith("-")) operands.push(arg);
    else {
      const asked = readArgument(arg, rest, given);
      if (asked !== undefined && !needsOptions(asked)) return { action: asked };
      action = asked ?? action;
    }
  }
  const [operand] = [...operands, ...rest];
  if (operand !== undefined) {
    throw optionError(`"${operand}"`, "flags and their values are all it takes");
  }
  const options = complete(given, environment);
  checkCombination(options);
  if (action === "run") checkStore(options, given);
  return { action, options };
}

function needsOptions(action: Action): action is "ping" | "top" {
  return action === "ping" || action === "top";
}

/** Reads one argument, and the value behind it from `rest` if it needs one. */
function readArgument(arg: string, rest: string[], given: Partial<Options>): Action | undefined {
  return arg.startsWith("--") ? readLong(arg, rest, given) : readLetters(arg, rest, given);
}

/** Reads options of one letter: `-drv`, `-p22201`, `-p` and its value in `rest`. */
function readLetters(arg: string, rest: string[], given: Partial<Options>): Action | undefined {
  for (let at = 1; at < arg.length; at++) {
    const name = `-${String.fromCodePoint(arg.codePointAt(at) ?? 0)}`;
    const action = actionOfName.get(name);
    if (action !== undefined) return action;
    const key = keyOfName.get(name);
    if (key === undefined) throw unknownFlag(name);
    const { hint } = optionTable[key];
    if (hint === undefined) apply(given, key, "");
    else {
      const value = arg.slice(at + 1) || rest.shift();
      if (value === undefined) throw missingValue(name, hint);
      apply(given, key, value);
      return undefined;
    }
  }
  return undefined;
}

/** Reads `--name value`, `--name=value` or `--name`. */
function readLong(arg: string, rest: string[], given: Partial<Options>): Action | undefined {
  const [name = arg] = arg.split("=", 1);
  const joined = name.length < arg.length ? arg.slice(name.length + 1) : undefined;
  const action = actionOfName.get(name);
  const key = keyOfName.get(name);
  if (action === undefined && key === undefined) throw unknownFlag(name);
  const hint = key && optionTable[key].hint;
  if (hint === undefined && joined !== undefined) throw optionError(arg, `${name} takes no value`);
  const value = hint === undefined ? "" : (joined ?? rest.shift());
  if (value === undefined) throw missingValue(name, hint);
  if (key !== undefined) apply(given, key, value);
  return action;
}

function unknownFlag(name: string): Error {
  return optionError(name, "there is no such flag");
}

function missingValue(name: string, hint: string | undefined): Error {
  return optionError(name, `its value is missing: ${name} ${hint}`);
}

function apply<K extends keyof Options>(given: Partial<Options>, key: K, text: string): void {
  const { name, rule, read, problem, defaultValue, isSecret } = optionTable[key];
  const value = read(text, given[key] ?? defaultValue);
  if (value === undefined) {
    const shown = isSecret === true ? "" : ` ${text === "" ? '""' : text}`;
    throw optionError(`${name}${shown}`, problem?.(text) ?? rule);
  }
  given[key] = value;
}

/** Adds what the command line does not say: from the environment, or else the defaults. */
function complete(given: Partial<Options>, environment: Environment): Options {
  const options = { ...given } as Options;
  for (const key of optionKeys) if (!(key in given)) fill(options, key, environment);
  return options;
}

function fill<K extends keyof Options>(options: Options, key: K, environment: Environment): void {
  options[key] = readVariable(environment, key) ?? optionTable[key].defaultValue;
}

function checkCombination(options: Options): void {
  const { http, httpAdmin, drainFrom, queues, daemon, authFile, udpPort } = options;
  if (httpAdmin && http === undefined) throw optionError("--http-admin", "it needs --http");
  if (queues !== undefined && drainFrom === undefined) {
    throw optionError("--queues", "it needs --drain-from");
  }
  if (daemon && drainFrom !== undefined) {
    throw optionError("--drain-from", "it does not go with -d");
  }
  checkTls(options);
  if (authFile !== undefined && udpPort !== 0) {
    throw optionError("--auth-file", "it does not go with -U, whose datagrams cannot authenticate");
  }
}

/** What belongs to the database file of -H. In the environment it may be the setting of an image, and means nothing. */
const LOCAL_KEYS = [
  "home",
  "pageSize",
  "checkpointSeconds",
  "trickleSeconds",
  "tricklePercent",
  "extentPages",
  "lockWait",
  "removeLogs",
  "minFree",
] as const satisfies readonly (keyof Options)[];

function checkStore({ store, storePasswordFile }: Options, given: Partial<Options>): void {
  if (store !== undefined) {
    const key = LOCAL_KEYS.find((key) => key in given);
    if (key === undefined) return;
    throw optionError(
      optionTable[key].name,
      "it is about the database file of a server without --store (MEMCACHEQ_STORE), which has none",
    );
  }
  if (storePasswordFile !== undefined && "storePasswordFile" in given) {
    throw optionError("--store-password-file", "it needs --store");
  }
}

function checkTls(options: Options): void {
  const { tlsCert, tlsKey, httpTls, http, socket, udpPort } = options;
  if (tlsCert === undefined && tlsKey !== undefined) {
    throw optionError("--tls-key", "it needs --tls-cert");
  }
  if (tlsCert !== undefined && tlsKey === undefined) {
    throw optionError("--tls-cert", "it needs --tls-key");
  }
  if (httpTls && (http === undefined || tlsCert === undefined)) {
    throw optionError("--http-tls", "it needs --http, --tls-cert and --tls-key");
  }
  if (tlsCert === undefined) return;
  if (udpPort !== 0) throw optionError("--tls-cert", "it does not go with -U, which has no TLS");
  if (socket !== undefined && !httpTls) {
    throw optionError(
      "--tls-cert",
      "it does not go with -s, unless --http-tls serves the page with it",
    );
  }
}
