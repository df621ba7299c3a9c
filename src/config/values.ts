import type { Address, Interface } from "./address.ts";
import { parseQueueRule, RULE_FORM } from "./queue_rules.ts";
import type { QueueRule } from "./queue_settings.ts";

/** A kind of value that an option can have. */
export interface ValueKind<T> {
  /** What is accepted, in words for the user. */
  rule: string;
  /** The value; undefined for text that breaks the rule. */
  read: (text: string) => T | undefined;
  /** What is wrong with text that breaks the rule, where that can be said more exactly than by the rule. */
  problem?: (text: string) => string | undefined;
  /** Its text is never repeated. */
  isSecret?: boolean;
}

export const KILO = 1024;
export const MEGA = 1024 * 1024;
/** A timer takes no more. */
export const MAX_MILLISECONDS = 2 ** 31 - 1;
const MAX_SECONDS = Math.floor(MAX_MILLISECONDS / 1000);

/** Decimal digits and nothing else; `zero` is what 0 stands for, if it is special. */
export function integer(
  subject: string,
  min: number,
  max: number,
  zero?: string,
): ValueKind<number> {
  const least = zero === undefined ? `${min}` : `${min} (${zero})`;
  return {
    rule: `${subject} from ${least} to ${max}`,
    read: (text) => within(min, max, /^[0-9]+$/.test(text) ? Number(text) : NaN),
  };
}

/** Whole seconds between two events of a kind; 0 is never. */
export function seconds(events: string): ValueKind<number> {
  return integer(`the time between ${events} is a number of seconds`, 0, MAX_SECONDS, "never");
}

/** A number that is typed in a unit of `factor`. */
export function scaled(factor: number, { rule, read }: ValueKind<number>): ValueKind<number> {
  return {
    rule,
    read: (text) => {
      const value = read(text);
      return value === undefined ? undefined : value * factor;
    },
  };
}

/** Bytes, kilobytes, megabytes or gigabytes: `10`, `10k`, `10M`. */
export function size(): ValueKind<number> {
  const units: Record<string, number> = { "": 1, k: KILO, m: MEGA, g: KILO * MEGA };
  return {
    rule: "a size is a number of bytes above 0, or of k, m or g (1024 bytes and so on)",
    read: (text) => {
      const [, digits = "", unit = ""] = /^([0-9]+)([kmg]?)$/i.exec(text) ?? [];
      const bytes = Number(digits) * (units[unit.toLowerCase()] ?? NaN);
      return within(1, Number.MAX_SAFE_INTEGER, bytes);
    },
  };
}

export function pageSize(min: number, max: number): ValueKind<number> {
  const { read } = integer("", min, max);
  return {
    rule: `a page size is a power of two from ${min} to ${max}`,
    read: (text) => {
      const value = read(text);
      return value !== undefined && Number.isInteger(Math.log2(value)) ? value : undefined;
    },
  };
}

/** The access mode of a file, octal. */
export function accessMode(): ValueKind<number> {
  return {
    rule: "an access mode is an octal number from 0 to 0777",
    read: (text) => within(0, 0o777, /^[0-7]+$/.test(text) ? parseInt(text, 8) : NaN),
  };
}

export function yesOrNo(): ValueKind<boolean> {
  const yes = ["1", "true", "yes", "on"];
  const no = ["0", "false", "no", "off"];
  return {
    rule: `${yes.join(", ")} is yes, and ${no.join(", ")} is no`,
    read: (text) => {
      const word = text.toLowerCase();
      return yes.includes(word) ? true : no.includes(word) ? false : undefined;
    },
  };
}

/** Any text but an empty one; `subject` is what it has to be: `a path`. */
export function text(subject: string): ValueKind<string> {
  return { rule: `${subject} is needed`, read: (text) => text || undefined };
}

export function port(): ValueKind<number> {
  return integer("a port is a number", 0, 65535);
}

/** `address`, `address:port`, and an address of IPv6 in brackets or, without a port, as it is; with commas between. */
export function interfaces(): ValueKind<readonly Interface[]> {
  return {
    rule: "addresses are needed, with commas between, each with or without a port: 127.0.0.1, [::1]:22201, localhost",
    read: (text) => {
      const found = text.split(",").map(readInterface);
      return found.every((each) => each !== undefined) ? found : undefined;
    },
  };
}

function readInterface(text: string): Interface | undefined {
  const [, bracketed, plain = bracketed, digits] =
    /^(?:\[([0-9a-f:.]+(?:%[\w.-]+)?)\]|([^\s:[\]/,]+))(?::([0-9]+))?$/i.exec(text) ?? [];
  if (plain === undefined)
    return isBareIPv6(text) ? { hostname: text, port: undefined } : undefined;
  const number = digits === undefined ? undefined : port().read(digits);
  if (digits !== undefined && number === undefined) return undefined;
  return { hostname: plain, port: number };
}

function isBareIPv6(text: string): boolean {
  return /^[0-9a-f:.]+(%[\w.-]+)?$/i.test(text) && text.split(":").length > 2;
}

/** `port` on this machine only, or `host:port`. */
export function listenAddress(): ValueKind<Address> {
  const { read } = port();
  return {
    rule: "a port is needed, and an address before it for other machines: 9150, 0.0.0.0:9150, [::]:9150",
    read: (text) => {
      const [, name = "127.0.0.1", digits = ""] =
        /^(?:(\[[0-9a-f:.]+\]|[^\s:[\]/]+):)?([0-9]+)$/i.exec(text) ?? [];
      const number = read(digits);
      const hostname = name.replace(/^\[(.*)\]$/, "$1");
      return number === undefined ? undefined : { hostname, port: number };
    },
  };
}

/** `host:port` of a server that runs already. */
export function serverAddress(): ValueKind<Address> {
  const { read } = listenAddress();
  return {
    rule: "a server is host:port, such as 127.0.0.1:22201 or [::1]:22201",
    read: (text) => {
      const found = text.includes(":") ? read(text) : undefined;
      return found?.port === 0 ? undefined : found;
    },
  };
}

/** Names with commas between; a byte of a name becomes a character from U+0000 to U+00FF. */
export function queueNames(): ValueKind<readonly string[]> {
  return {
    rule: "queues are names with commas between, each of 1 to 250 bytes without space or slash",
    read: (text) => {
      const names = text.split(",").map((name) => Buffer.from(name).toString("latin1"));
      return names.every((name) => /^[^ /\r\n]{1,250}$/.test(name)) ? names : undefined;
    },
  };
}

/** `<pattern>:<setting>=<value>,…` */
export function queueRule(): ValueKind<QueueRule> {
  const parse = (text: string) => {
    const rule = parseQueueRule(text);
    return typeof rule === "string" ? { problem: rule } : { rule };
  };
  return {
    rule: RULE_FORM,
    read: (text) => parse(text).rule,
    problem: (text) => parse(text).problem,
  };
}

function within(min: number, max: number, value: number): number | undefined {
  return value >= min && value <= max ? value : undefined;
}
