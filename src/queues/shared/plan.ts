import type { Operation, Outcome } from "../operation.ts";
import { type Rule, ruleOf } from "./rule.ts";
import type { Single } from "./single.ts";
import type { Shared } from "./state.ts";

/** A step, and the operations that it answers. */
export interface Step {
  kind: "add" | "take" | "single";
  queue: number;
  operations: Operation[];
}

export interface Plan {
  /** Ids of the queues that are locked, ascending. */
  queues: number[];
  used: Set<number>;
  steps: Step[];
  /** As the function `turn` takes them: see sql/turn.sql. */
  kinds: number[];
  of: number[];
  counts: number[];
  ends: number[];
  flags: number[];
  bodies: Buffer[];
  expires: number[];
  singles: Single[];
  rules: Record<string, Rule> | null;
  /** Bytes of bodies, and of those that are taken at most. */
  bytes: number;
  most: number;
  /** What is known without a turn. */
  outcomes: Map<Operation, Outcome>;
  /** The number of the first operation that is not in the plan. */
  end: number;
}

/** What a plan is made with. */
export interface Making {
  shared: Shared;
  /** Ids of the queues by name, as far as they are there. */
  ids: ReadonlyMap<string, number>;
  /** Limits are near: messages of queues with limits are added one by one. */
  careful: boolean;
  /** Why queues cannot be made. */
  errors: ReadonlyMap<string, string>;
}

export function newPlan(): Plan {
  return {
    queues: [],
    used: new Set(),
    steps: [],
    kinds: [],
    of: [],
    counts: [],
    ends: [],
    flags: [],
    bodies: [],
    expires: [],
    singles: [],
    rules: null,
    bytes: 0,
    most: 0,
    outcomes: new Map(),
    end: 0,
  };
}

/** @param expires of the messages that the step adds */
export function addStep(plan: Plan, step: Step, kind: number, count: number, expires = 0): void {
  plan.steps.push(step);
  plan.kinds.push(kind);
  plan.of.push(step.queue);
  plan.counts.push(count);
  plan.expires.push(expires);
}

export function pushSingle(
  plan: Plan,
  single: Single,
  operation: Operation | undefined,
  body: Buffer,
): void {
  const operations = operation === undefined ? [] : [operation];
  addStep(plan, { kind: "single", queue: single.q ?? 0, operations }, 3, plan.singles.length);
  plan.singles.push(single);
  plan.bodies.push(body);
  single["length"] ??= 0;
}

/** The turn locks the queue, and knows its settings. */
export function useQueue(shared: Shared, plan: Plan, id: number): void {
  if (plan.used.has(id)) return;
  plan.used.add(id);
  plan.queues.push(id);
  const rule = ruleOf(shared, shared.names.names.get(id) ?? "");
  if (rule !== undefined) (plan.rules ??= {})[id] = rule;
}

/** All bodies, one behind the other, in the order of the steps: single operations learn where theirs begins. */
export function joinBodies(plan: Plan): Buffer {
  plan.queues.sort((a, b) => a - b);
  let start = 0;
  let at = 0;
  // Bodies were pushed step by step.
  for (const [i, kind] of plan.kinds.entries()) {
    const count = plan.counts[i] as number;
    if (kind === 3) (plan.singles[count] as Single)["start"] = start;
    const bodies = kind === 1 ? count : kind === 3 ? 1 : 0;
    for (const end = at + bodies; at < end; at++) start += (plan.bodies[at] as Buffer).length;
  }
  return Buffer.concat(plan.bodies, start);
}
