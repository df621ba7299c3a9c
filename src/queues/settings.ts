import { DEFAULT_SETTINGS, type QueueRule, type QueueSettings } from "../config/queue_settings.ts";
import { matches } from "../util/pattern.ts";

/** The rules that hold now. A reload makes new ones, so that what was found by the old ones shows its age. */
export interface QueueRules {
  /** In order: the first one that matches counts. */
  readonly found: readonly FoundSettings[];
  readonly defaults: FoundSettings;
}

/** What holds for a queue, and why. All queues that a rule matches share one record. */
export interface FoundSettings extends QueueSettings {
  /** The rules by which it was found; undefined before any search. */
  rules: QueueRules | undefined;
  /** Undefined where no rule matches: these are the defaults. */
  readonly rule: QueueRule | undefined;
}

/** Stands in a queue until its settings are needed. */
export const UNKNOWN_SETTINGS: FoundSettings = {
  ...DEFAULT_SETTINGS,
  rules: undefined,
  rule: undefined,
};

/** @param defaults what the options say for all queues */
export function newQueueRules(
  rules: readonly QueueRule[],
  defaults: Partial<QueueSettings>,
): QueueRules {
  const found = (rule?: QueueRule): FoundSettings => {
    return { ...DEFAULT_SETTINGS, ...defaults, ...rule?.given, rules: undefined, rule };
  };
  const made = { found: rules.map(found), defaults: found() };
  for (const each of [...made.found, made.defaults]) each.rules = made;
  return made;
}

/** Looks for the settings of a queue: as long as there are rules, so keep what it finds. */
export function findSettings({ found, defaults }: QueueRules, name: string): FoundSettings {
  return found.find(({ rule }) => rule !== undefined && matches(rule.parts, name)) ?? defaults;
}
