import { BackendError, type Later } from "../queues/backend.ts";
import { logInternal, warn } from "../util/log.ts";

/** Why something failed, in words for the client. Anything but a failure of the queues is a mistake of ours, and logged. */
export function reasonOf(error: unknown): string {
  if (error instanceof BackendError) return error.message;
  logInternal(error);
  return "internal error";
}

/** For a value that can be left out: why it could not be read is logged. */
export function orWarn<T>(read: () => Promise<T>): Promise<T | undefined>;
export function orWarn<T>(read: () => Later<T>): Later<T | undefined>;
export function orWarn<T>(read: () => Later<T>): Later<T | undefined> {
  try {
    const value = read();
    return value instanceof Promise ? value.catch(tell) : value;
  } catch (error) {
    return tell(error);
  }
}

function tell(error: unknown): undefined {
  warn(reasonOf(error));
}
