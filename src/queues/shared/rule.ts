import { parentOf } from "../child.ts";
import { hexOf } from "./names.ts";
import { settingsFor, type Shared } from "./state.ts";

/** The settings of one queue as turns read them; what is missing does not hold. Names are in hexadecimal digits. */
export interface Rule {
  maxMessages?: number;
  maxBytes?: number;
  dropOldest?: true;
  maxAge?: number;
  /** The expiry of a message counts. */
  reads?: true;
  expireTo?: string;
  /** Expired messages stay. */
  keeps?: true;
  deliveries?: number;
  retry?: number;
  maxRetry?: number;
  dead?: string;
  copyTo?: string[];
  /** Its children get copies. */
  children?: true;
  /** Of all queues together: bytes that are left. */
  left?: number;
}

/** Undefined where nothing holds but the defaults. */
export function ruleOf(shared: Shared, name: string): Rule | undefined {
  const settings = settingsFor(shared, name);
  const rule: Rule = {};
  if (settings.maxMessages !== Infinity) rule.maxMessages = settings.maxMessages;
  if (settings.maxBytes !== Infinity) rule.maxBytes = settings.maxBytes;
  if (settings.dropOldest) rule.dropOldest = true;
  if (settings.maxAgeMs !== Infinity) rule.maxAge = settings.maxAgeMs;
  if (settings.readsExptime) rule.reads = true;
  if (settings.expireTo === name) rule.keeps = true;
  else if (settings.expireTo !== "") rule.expireTo = hexOf(settings.expireTo);
  if (settings.deliveries !== Infinity) rule.deliveries = settings.deliveries;
  if (settings.maxRetryMs > 0) rule.retry = settings.retryMs;
  if (settings.maxRetryMs > 0) rule.maxRetry = settings.maxRetryMs;
  if (settings.dead !== "") rule.dead = hexOf(settings.dead);
  addCopies(shared, name, settings.copyTo, rule);
  return Object.keys(rule).length === 0 ? undefined : rule;
}

function addCopies({ options }: Shared, name: string, copyTo: readonly string[], rule: Rule): void {
  // What is set to a child alone concerns no other queue.
  if (options.fanout && parentOf(name) !== undefined) return;
  if (copyTo.length > 0) rule.copyTo = copyTo.map(hexOf);
  if (options.fanout) rule.children = true;
}
