/** What holds for a queue. All lengths of time are milliseconds. */
export interface QueueSettings {
  /** Messages in the queue, and bytes of their bodies; Infinity is no limit. */
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** At a limit the oldest message goes, and the set is not refused. */
  readonly dropOldest: boolean;
  /** A message expires when it has been in the queue for so long; Infinity is never. */
  readonly maxAgeMs: number;
  /** The exptime of a set counts, as memcached reads it. */
  readonly readsExptime: boolean;
  /** The queue that expired messages go to; "" drops them. */
  readonly expireTo: string;
  /** After so many deliveries a message that comes back goes to the dead letters; Infinity is never. */
  readonly deliveries: number;
  /** The pause before a message that came back is delivered again: doubled each time, up to the second value. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
  /** The queue of dead letters; "" is the queue's own name with `.dead` behind it. */
  readonly dead: string;
  /** A set with an id that came before within this time adds nothing. */
  readonly onceMs: number;
  /** Queues that get a copy of each message that is set. */
  readonly copyTo: readonly string[];
}

/** What `--queue` or a line of `--queues-file` says: the first rule whose pattern matches a queue's name counts. */
export interface QueueRule {
  /** As it was written. */
  readonly pattern: string;
  /** The parts of the name between the stars. */
  readonly parts: readonly string[];
  /** What the rule gives; all else is the default. */
  readonly given: Partial<QueueSettings>;
}

export const DEFAULT_SETTINGS: QueueSettings = {
  maxMessages: Infinity,
  maxBytes: Infinity,
  dropOldest: false,
  maxAgeMs: Infinity,
  readsExptime: false,
  expireTo: "",
  deliveries: Infinity,
  retryMs: 0,
  maxRetryMs: 0,
  dead: "",
  onceMs: 600_000,
  copyTo: [],
};

/** One setting: how it is written, read and shown. */
export interface Setting {
  readonly name: string;
  /** What its value is, in words for the user. */
  readonly rule: string;
  /** Undefined for text that breaks the rule. */
  readonly read: (text: string) => Partial<QueueSettings> | undefined;
  /** As it would be typed for a queue of this name. */
  readonly show: (settings: QueueSettings, queue: string) => string | number;
}

/** What separates the parts of a rule: in a name it is written as %XX. */
const SPECIAL = /[:,=*+%]/g;
const MAX_NAME = 250;
/** A number tells a lease's delivery in ten bits. */
const MAX_DELIVERIES = 1024;
const MAX_MS = 2 ** 31 - 1;
const UNITS: Record<string, number> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const NONE = "none";

/** All settings, in the order in which they are shown. */
export const SETTINGS: readonly Setting[] = [
  {
    name: "max-messages",
    rule: "a number of messages above 0",
    read: (text) => numbered(text, 1, Number.MAX_SAFE_INTEGER, (maxMessages) => ({ maxMessages })),
    show: ({ maxMessages }) => limitText(maxMessages),
  },
  {
    name: "max-bytes",
    rule: "a number of bytes above 0, or of k, m or g (1024 bytes and so on)",
    read: (text) => {
      const [, digits = "", unit = ""] = /^([0-9]+)([kmg]?)$/i.exec(text) ?? [];
      const maxBytes = Number(digits || NaN) * (UNITS[unit.toLowerCase()] ?? NaN);
      return maxBytes >= 1 && maxBytes <= Number.MAX_SAFE_INTEGER ? { maxBytes } : undefined;
    },
    show: ({ maxBytes }) => limitText(maxBytes),
  },
  {
    name: "drop-oldest",
    rule: "yes or no",
    read: (text) => (/^(yes|no)$/.test(text) ? { dropOldest: text === "yes" } : undefined),
    show: ({ dropOldest }) => (dropOldest ? "yes" : "no"),
  },
  {
    name: "max-age",
    rule: `a number of seconds from 1 to ${MAX_MS}`,
    read: (text) => numbered(text, 1, MAX_MS, (seconds) => ({ maxAgeMs: seconds * 1000 })),
    show: ({ maxAgeMs }) => limitText(maxAgeMs / 1000),
  },
  {
    name: "expiry",
    rule: "drop, or the queue that expired messages go to",
    read(text) {
      if (text === "drop") return { readsExptime: true, expireTo: "" };
      const expireTo = decodeName(text);
      return expireTo === undefined ? undefined : { readsExptime: true, expireTo };
    },
    show: ({ readsExptime, expireTo }) =>
      expireTo === "" ? (readsExptime ? "drop" : NONE) : encodeName(expireTo),
  },
  {
    name: "deliveries",
    rule: `a number of deliveries from 1 to ${MAX_DELIVERIES}`,
    read: (text) => numbered(text, 1, MAX_DELIVERIES, (deliveries) => ({ deliveries })),
    show: ({ deliveries }) => limitText(deliveries),
  },
  {
    name: "retry",
    rule: "milliseconds, or two numbers of them with .. between, the first not above the second",
    read(text) {
      const [, first, second = first] = /^([0-9]{1,10})(?:\.\.([0-9]{1,10}))?$/.exec(text) ?? [];
      const [retryMs, maxRetryMs] = [Number(first), Number(second)];
      return retryMs <= maxRetryMs && maxRetryMs <= MAX_MS ? { retryMs, maxRetryMs } : undefined;
    },
    show: ({ retryMs, maxRetryMs }) =>
      retryMs === maxRetryMs ? retryMs : `${retryMs}..${maxRetryMs}`,
  },
  {
    name: "dead",
    rule: "the queue that dead letters go to",
    read(text) {
      const dead = decodeName(text);
      return dead === undefined ? undefined : { dead };
    },
    show: (settings, queue) => encodeName(deadQueueOf(settings, queue)),
  },
  {
    name: "once",
    rule: `milliseconds from 1 to ${MAX_MS}`,
    read: (text) => numbered(text, 1, MAX_MS, (onceMs) => ({ onceMs })),
    show: ({ onceMs }) => onceMs,
  },
  {
    name: "copy-to",
    rule: "queues with + between",
    read(text) {
      const names = text.split("+").map(decodeName);
      const copyTo = names.filter((name) => name !== undefined);
      const isGood = copyTo.length === names.length && new Set(copyTo).size === names.length;
      return isGood ? { copyTo } : undefined;
    },
    show: ({ copyTo }) => (copyTo.length === 0 ? NONE : copyTo.map(encodeName).join("+")),
  },
];

/** Where a message of the queue goes after its last delivery. */
export function deadQueueOf({ dead }: QueueSettings, queue: string): string {
  return dead === "" ? `${queue}.dead` : dead;
}

/** The name that %XX stands for other bytes in; a byte of it is a character. Undefined when it is none. */
export function decodeName(text: string): string | undefined {
  if (/%(?![0-9a-f]{2})|[:,=*+]/i.test(text)) return undefined;
  const bytes = Buffer.from(text).toString("latin1");
  const name = bytes.replace(/%(..)/g, (_, digits: string) =>
    String.fromCharCode(parseInt(digits, 16)),
  );
  return name.length <= MAX_NAME && /^[^ /\r\n]+$/.test(name) ? name : undefined;
}

function encodeName(name: string): string {
  return name.replace(SPECIAL, (character) => `%${character.charCodeAt(0).toString(16)}`);
}

function numbered(
  text: string,
  min: number,
  max: number,
  given: (value: number) => Partial<QueueSettings>,
): Partial<QueueSettings> | undefined {
  const value = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= max ? given(value) : undefined;
}

function limitText(limit: number): string | number {
  return limit === Infinity ? NONE : limit;
}
