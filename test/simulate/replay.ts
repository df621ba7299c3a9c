/** Does the steps of a plan. */
import { type Client, connect, hangUp, isSending, send } from "./client.ts";
import { maintain, pass, turn } from "./loop.ts";
import type { Plan, Step } from "./plan.ts";
import { messagesOf } from "./queue.ts";
import { end, rest } from "./rest.ts";
import { loseRows } from "./stand_in.ts";
import { Violation } from "./violation.ts";
import { crash, newWorld, type World } from "./world.ts";

export interface Result {
  /** Of all bytes that clients were given. */
  digest: number;
  /** Requests that were executed. */
  requests: number;
  /** Operations that these were. */
  operations: number;
  /** Why the run failed, and at which step. */
  failure: string | undefined;
  step: number;
}

/** Runs the plan, and says how it went. */
export async function replay(plan: Plan): Promise<Result> {
  const world = newWorld(plan);
  let step = 0;
  let failure: string | undefined;
  try {
    for (; step < plan.steps.length; step++) await doStep(world, plan.steps[step] as Step);
    await end(world);
  } catch (error) {
    failure =
      world.violation ??
      (error instanceof Violation ? error.message : String((error as Error).stack));
  }
  world.scratch?.remove();
  const digest = Bun.hash.xxHash32(`${world.time.now} ${world.judge.requests}`, world.digest);
  return {
    digest,
    requests: world.judge.requests,
    operations: world.judge.operations,
    failure,
    step,
  };
}

async function doStep(world: World, step: Step): Promise<void> {
  const client = "client" in step ? world.people.get(step.client) : undefined;
  switch (step.do) {
    case "connect":
      if (client === undefined) connect(world, step.client, step.habits);
      return;
    case "send":
      if (client !== undefined) send(client, step.asks, step.pieces ?? []);
      return;
    case "turn":
      for (let n = 0; n < step.times; n++) await turn(world);
      return;
    case "pass":
      return pass(world, step.ms);
    case "jump":
      world.time.offset += step.ms;
      return;
    case "end":
      if (client !== undefined) client.ends = true;
      return;
    case "reset":
      if (client !== undefined) hangUp(world, client);
      return;
    case "vanish":
      if (client !== undefined) leave(client);
      return;
    case "read":
      if (client !== undefined) client.unread = Math.max(0, client.unread - step.bytes);
      return;
    case "fault":
      world.judge.faults.due[step.what] += step.times;
      return;
    case "lose":
      return lose(world, step.queue, step.row);
    case "maintain":
      return maintain(world);
    case "crash":
      return crash(world);
    case "rest":
      return rest(world);
  }
}

/** The client is gone once all that it has sent has arrived. */
function leave(client: Client): void {
  client.leaves = true;
  client.isDead = !isSending(client);
}

function lose({ disk, judge }: World, name: string, row: number): void {
  const lost = new Set(loseRows(disk, name, row));
  const queue = judge.model.queues.get(name);
  if (queue === undefined || lost.size === 0) return;
  queue.damaged = true;
  for (const message of messagesOf(queue)) {
    if (lost.has(message.number)) message.lost = true;
  }
}
