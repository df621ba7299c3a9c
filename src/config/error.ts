import { program } from "../util/version.ts";

/** A wrong option; the message says what is wrong and what is accepted. */
export class OptionError extends Error {}

/** @param subject what is wrong, as the user wrote it; `rule` says what is accepted in its place */
export function optionError(subject: string, rule: string): OptionError {
  return new OptionError(`${subject}: ${rule} (see ${program} -h)`);
}
