import {
  deadQueueOf,
  decodeName,
  DEFAULT_SETTINGS,
  type QueueRule,
  type QueueSettings,
  SETTINGS,
} from "./queue_settings.ts";

/** How a rule is written. */
export const RULE_FORM =
  "settings of queues are <pattern>:<setting>=<value>, and more of them with commas between";
const MAX_NAME = 250;

/** The rule of `<pattern>:<setting>=<value>,…`, or what is wrong with it, in words for the user. */
export function parseQueueRule(text: string): QueueRule | string {
  const equals = text.indexOf("=");
  // A colon may be a part of the pattern.
  const colon = text.lastIndexOf(":", equals);
  if (equals < 0 || colon < 1) return RULE_FORM;
  const pattern = text.slice(0, colon);
  const parts = partsOf(pattern);
  if (parts === undefined) {
    return `the pattern ${pattern} is no name of a queue: * is for any part of it, %XX for a byte`;
  }
  const given = readSettings(text.slice(colon + 1));
  if (typeof given === "string") return given;
  return circleProblem(parts, given) ?? { pattern, parts, given };
}

/**
 * The rules in a file: one a line, without empty lines and comments, which begin with #.
 * @returns or what is wrong with it, and in which line
 */
export function parseQueueRules(text: string): QueueRule[] | string {
  const rules: QueueRule[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const rule = parseQueueRule(trimmed);
    if (typeof rule === "string") return `line ${i + 1}: ${rule}`;
    rules.push(rule);
  }
  return rules;
}

/** The name between the stars of a pattern; undefined when no name has such a form. */
function partsOf(pattern: string): string[] | undefined {
  const parts: string[] = [];
  let length = 0;
  for (const part of pattern.split("*")) {
    // Colons, commas and plus signs need no %XX here.
    const escaped = part.replace(
      /[:,=+]/g,
      (character) => `%${character.charCodeAt(0).toString(16)}`,
    );
    const name = part === "" ? "" : decodeName(escaped);
    if (name === undefined) return undefined;
    parts.push(name);
    length += name.length;
  }
  return length <= MAX_NAME ? parts : undefined;
}

function readSettings(text: string): Partial<QueueSettings> | string {
  const seen = new Set<string>();
  let given: Partial<QueueSettings> = {};
  for (const item of text.split(",")) {
    const [name = ""] = item.split("=", 1);
    const setting = SETTINGS.find((each) => each.name === name);
    if (setting === undefined || name.length === item.length) {
      const known = SETTINGS.map((each) => each.name).join(", ");
      return `"${item}" is no setting with a value, known are ${known}`;
    }
    if (seen.has(name)) return `${name} is given twice`;
    seen.add(name);
    const value = setting.read(item.slice(name.length + 1));
    if (value === undefined) return `${item}: ${name} is ${setting.rule}`;
    given = { ...given, ...value };
  }
  return given;
}

/** What is wrong where the pattern is the name of one queue: its messages would go in a circle, or nowhere. */
function circleProblem(
  parts: readonly string[],
  given: Partial<QueueSettings>,
): string | undefined {
  const [name = ""] = parts;
  if (parts.length > 1) return undefined;
  const settings = { ...DEFAULT_SETTINGS, ...given };
  if (settings.expireTo === name)
    return "expiry is the queue itself, where drop or another is possible";
  if (settings.copyTo.includes(name)) return "copy-to has the queue itself in it";
  if (settings.deliveries === Infinity) return undefined;
  const dead = deadQueueOf(settings, name);
  if (dead === name) return "dead is the queue itself, where another one is possible";
  if (dead.length <= MAX_NAME) return undefined;
  return `${dead} is longer than ${MAX_NAME} bytes: dead= names another queue for its dead letters`;
}
