/** Conversations in the notation of the protocol's description: `> ` is sent, `< ` must be answered. */
import { expect } from "bun:test";

import { bytes, type Client } from "./client.ts";

/** Some lines sent in one write, and the lines that answer them. */
export type Turn = { sent: Buffer; answers: string[] };

/** Splits a conversation where the server's answers end. Indentation and empty lines mean nothing. */
export function turns(conversation: string): Turn[] {
  const found: Turn[] = [];
  for (const row of conversation.split("\n").map((row) => row.trimStart())) {
    if (row === "") continue;
    const [side, text] = [row[0], row.slice(2)];
    let turn = found.at(-1);
    if (side === ">") {
      if (!turn || turn.answers.length > 0) found.push((turn = { sent: bytes(""), answers: [] }));
      turn.sent = Buffer.concat([turn.sent, bytes(`${text}\r\n`)]);
    } else if (side === "<" && turn) {
      turn.answers.push(text);
    } else {
      throw new Error(`neither "> " nor "< ": ${row}`);
    }
  }
  return found;
}

/** Reads exactly these lines; stops at the first other one, so that a wrong answer never waits for a deadline. */
export async function expectLines(client: Client, lines: readonly string[]): Promise<void> {
  const got: string[] = [];
  for (const line of lines) {
    got.push(await client.line());
    if (got.at(-1) !== line) break;
  }
  expect(got).toEqual([...lines]);
}

/** Has the conversation, and checks that nothing more is answered than it says. */
export async function talk(client: Client, conversation: string): Promise<void> {
  for (const { sent, answers } of turns(conversation)) {
    client.send(sent);
    await expectLines(client, answers);
  }
  await client.inStep();
}
