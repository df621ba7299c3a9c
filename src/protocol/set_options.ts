import { SLASH } from "./errors.ts";
import { MAX_NAME } from "./key.ts";

/** What a `set` says beside its queue: options after slashes, `<queue>/<option>…`. */
export interface SetOptions {
  /** Milliseconds in which the message is not delivered; 0 without that option. */
  delay: number;
  /** A second message with the same id is not stored; "" without that option. */
  id: string;
  /** The queue of a message that is closed in the same commit; "" without such an option. */
  source: string;
  /** The number of that message's lease, or 0: the one that this client has open. */
  sourceNumber: number;
}

/** Reads the value of one option. @returns what values are accepted, when it is a wrong one */
type Reader = (options: SetOptions, value: string) => string | undefined;

/** The options by their names, each with the form that errors tell. */
const OPTIONS: Readonly<Record<string, { form: string; read: Reader }>> = {
  delay: { form: "delay=<ms>", read: readDelay },
  id: { form: "id=<token>", read: readId },
  close: { form: "close=<queue>", read: readClose },
  done: { form: "done=<queue>:<number>", read: readDone },
};

/** Milliseconds. */
const LONGEST_DELAY = 2 ** 31 - 1;
/** Bytes. */
const MAX_ID = 64;
/** An error repeats this many bytes of a wrong option. */
const MOST_TOLD = 64;

/** @param text what comes after the first slash @returns what is wrong with it, in words for the client */
export function parseSetOptions(text: string): SetOptions | string {
  const options: SetOptions = { delay: 0, id: "", source: "", sourceNumber: 0 };
  for (const option of text.split("/")) {
    const problem = readOption(options, option);
    if (problem !== undefined) return problem;
  }
  return options;
}

function readOption(options: SetOptions, option: string): string | undefined {
  // Darner's, for a message that is on disk before the answer: here each is.
  if (option === "sync") return undefined;
  const equals = option.indexOf("=");
  // Each other option has a value: this is a name with a slash in it.
  if (equals < 0) return SLASH;
  const told = option.slice(0, MOST_TOLD);
  const name = option.slice(0, equals);
  const known = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
  if (known === undefined) {
    const forms = Object.values(OPTIONS).map(({ form }) => form);
    return `unknown option ${told} of a set, known are ${forms.join(", ")}, sync`;
  }
  const accepted = known.read(options, option.slice(equals + 1));
  return accepted === undefined ? undefined : `bad value in ${told}, ${accepted}`;
}

function readDelay(options: SetOptions, value: string): string | undefined {
  if (!/^[0-9]{1,10}$/.test(value) || Number(value) > LONGEST_DELAY) {
    return `milliseconds from 0 to ${LONGEST_DELAY} are accepted`;
  }
  options.delay = Number(value);
  return undefined;
}

function readClose(options: SetOptions, value: string): string | undefined {
  return setSource(options, value, 0) ? undefined : "the name of one queue is accepted";
}

function readDone(options: SetOptions, value: string): string | undefined {
  const colon = value.lastIndexOf(":");
  const digits = value.slice(colon + 1);
  const number = /^[0-9]{1,16}$/.test(digits) ? Number(digits) : 0;
  const isNumber = number >= 1 && number <= Number.MAX_SAFE_INTEGER;
  return colon > 0 && isNumber && setSource(options, value.slice(0, colon), number)
    ? undefined
    : "<queue>:<number> is accepted, with the number of a lease, and no other close= or done= beside it";
}

/** @returns false when the name is no queue's, or another message is named already */
function setSource(options: SetOptions, queue: string, number: number): boolean {
  if (options.source !== "" || queue.length < 1 || queue.length > MAX_NAME) return false;
  if (/[ \n]/.test(queue)) return false;
  options.source = queue;
  options.sourceNumber = number;
  return true;
}

function readId(options: SetOptions, value: string): string | undefined {
  // In the other dialects a key could have these bytes.
  if (value.length < 1 || value.length > MAX_ID || /[ \r\n]/.test(value)) {
    return `1 to ${MAX_ID} bytes without space are accepted`;
  }
  options.id = value;
  return undefined;
}
