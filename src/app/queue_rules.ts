import { optionError } from "../config/error.ts";
import { readOptionFile } from "../config/file.ts";
import type { Options } from "../config/options.ts";
import { parseQueueRules } from "../config/queue_rules.ts";
import type { QueueRule } from "../config/queue_settings.ts";
import type { Backend } from "../queues/backend.ts";
import type { Reloadable } from "./reload.ts";

/**
 * What the options say about single queues: the rules of the command line, and behind them those of the file.
 * @throws OptionError when the file cannot be read, or one of its lines is wrong
 */
export function readQueueRules({ queue, queuesFile }: Options): readonly QueueRule[] {
  if (queuesFile === undefined) return queue;
  const rules = parseQueueRules(readOptionFile("--queues-file", queuesFile).toString());
  if (typeof rules === "string") throw optionError(`--queues-file ${queuesFile}`, rules);
  return [...queue, ...rules];
}

/** Reading the file again: when something is wrong with it, all stays as it was. Nothing without a file. */
export function reloadableQueueRules(options: Options, backend: Backend): Reloadable[] {
  const { queuesFile } = options;
  if (queuesFile === undefined) return [];
  const reload = () => backend.setRules(readQueueRules(options));
  return [{ what: `the file of queue settings ${queuesFile}`, reload }];
}
