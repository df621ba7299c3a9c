/**
 * What must not compile. Nothing runs this file: `bun check` fails when one of these errors does not come.
 */
import { NEEDS } from "../../src/engine/access/rights.ts";
import { type Command, commands } from "../../src/engine/commands.ts";
import { withoutReply } from "../../src/engine/replies.ts";
import type { RequestKind } from "../../src/protocol/request.ts";
import type { Outcome } from "../../src/queues/operation.ts";

const { flush: command, ...otherCommands } = commands;

// @ts-expect-error: a kind of request needs a command.
export const withoutCommand: typeof commands = otherCommands;

// @ts-expect-error: a new kind of request does, too.
export const withoutNewCommand: Record<RequestKind | "new", Command> = commands;

// @ts-expect-error: a command says what is replied.
export const addsOnly: Command = { add: command.add };

// @ts-expect-error: a command says what is added to the group.
export const repliesOnly: Command = { reply: command.reply };

const { flush: need, ...otherNeeds } = NEEDS;

// @ts-expect-error: a kind of request needs a right, or says that it needs none.
export const withoutNeed: typeof NEEDS = otherNeeds;

// @ts-expect-error: a new kind of request does, too.
export const withoutNewNeed: Record<RequestKind | "new", typeof need> = NEEDS;

export const completeNeeds: typeof NEEDS = { ...otherNeeds, flush: need };

export const complete: typeof commands = { ...otherCommands, flush: command };

/** How replyGet tells outcomes. */
export function replyTo(outcome: Outcome | "new"): void {
  switch (outcome) {
    case "done":
    case "absent":
    case "held":
    case "too large":
    case "failed":
    case "pending":
    case "full":
    case "more":
    case "skipped":
    case "postponed":
      return;
    default:
      // @ts-expect-error: an outcome needs a reply.
      withoutReply(outcome);
  }
}
