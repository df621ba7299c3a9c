import type { Contender } from "../contender.ts";
import { BASE, type Operation, type Task } from "../job.ts";
import { run, type Setting } from "./setting.ts";

const DEPTH = 64;
const MOST_AT_ONCE = 2_000_000;

/** Adds so many messages of 100 bytes, pipelined. Throws when that fails. */
export function fill(setting: Setting, contender: Contender, messages: number): Promise<void> {
  return move(setting, contender, messages, "set");
}

/** Takes so many, pipelined. Throws when that fails. */
export function drain(setting: Setting, contender: Contender, messages: number): Promise<void> {
  return move(setting, contender, messages, "get");
}

async function move(
  setting: Setting,
  contender: Contender,
  messages: number,
  operation: Operation,
): Promise<void> {
  for (let left = messages; left > 0; left -= MOST_AT_ONCE) {
    const task: Task = { ...BASE, depth: DEPTH, prepare: false, operation };
    const result = await run(setting, contender, { ...task, ops: Math.min(left, MOST_AT_ONCE) });
    if (result === null) throw new Error(`the ${operation}s of a backlog of ${messages} failed`);
  }
}
