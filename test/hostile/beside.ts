import { set } from "../server/client.ts";
import type { Server } from "./server.ts";

/** Messages that are on their way at most. */
const MOST = 100;

/**
 * A producer and a consumer that do nothing wrong, beside others who do. The returned function ends them, and resolves
 * to how many messages went through; it rejects when one was missing, came twice or came out of order.
 */
export async function wellBehaved(server: Server): Promise<() => Promise<number>> {
  const queue = `well-behaved-${crypto.randomUUID()}`;
  const [producer, consumer] = [await server.connect(), await server.connect()];
  let produced = 0;
  let consumed = 0;
  let going = true;

  async function produce(): Promise<void> {
    for (const before = produced; produced < before + MOST; produced++) {
      producer.send(set(queue, `message ${produced}`, produced));
    }
    for (let n = 0; n < MOST; n++) {
      const answer = await producer.line();
      if (answer !== "STORED") throw new Error(`who does nothing wrong is told ${answer}`);
    }
  }

  async function consume(): Promise<void> {
    consumer.send(`get ${queue}\r\n`.repeat(MOST));
    for (let n = 0; n < MOST; n++, consumed++) {
      const [message] = await consumer.messages();
      if (message?.body === `message ${consumed}` && message.flags === consumed) continue;
      throw new Error(`message ${consumed} expected, not ${message?.body}`);
    }
  }

  const whole = (async () => {
    while (going) {
      await produce();
      await consume();
    }
    if ((await consumer.take(queue)) !== undefined) throw new Error("a message came twice");
  })();
  // It is waited for at the end.
  whole.catch(() => {});
  return async () => {
    going = false;
    await whole;
    await producer.end();
    await consumer.end();
    return consumed;
  };
}
