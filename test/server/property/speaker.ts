/** One connection that says the same in each dialect. */
import { number, opcodes } from "../../protocol/binary/packet.ts";
import { bytes, set } from "../client.ts";
import type { Server } from "../harness.ts";
import { binaryClient } from "../packets.ts";

export interface Got {
  id: number;
  body: string;
  /** Its number, or that of its lease. */
  number: number;
}

export interface Speaker {
  /** @returns "refused" for a CLIENT_ERROR */
  set(key: string, id: number, body: string): Promise<"stored" | "refused">;
  /** @throws Error when the answer is an error */
  get(key: string): Promise<Got | undefined>;
  acknowledge(queue: string, told: number): Promise<boolean>;
  /** In seconds. */
  touch(queue: string, told: number, seconds: number): Promise<boolean>;
  end(): Promise<void>;
}

export const dialects = ["text", "meta", "binary"] as const;

export async function connectSpeaker(
  server: Server,
  dialect: (typeof dialects)[number],
): Promise<Speaker> {
  if (dialect === "binary") return binarySpeaker(server);
  const client = await server.connect();
  await client.inStep();
  const isYes = async (line: string, yes: string, no: string) => {
    const answer = await client.ask(line);
    if (answer !== yes && answer !== no) throw new Error(`${line} is answered ${answer}`);
    return answer === yes;
  };
  const text: Speaker = {
    async set(key, id, body) {
      client.send(set(key, body, id));
      return stored(key, await client.line(), "STORED");
    },
    async get(key) {
      client.send(`gets ${key}\r\n`);
      const [found] = await client.messages();
      return found && { id: found.flags, body: found.body, number: found.number ?? 0 };
    },
    acknowledge: (queue, told) => isYes(`delete ${queue}/${told}`, "DELETED", "NOT_FOUND"),
    touch: (queue, told, seconds) =>
      isYes(`touch ${queue}/${told} ${seconds}`, "TOUCHED", "NOT_FOUND"),
    end: client.end,
  };
  if (dialect === "text") return text;
  return {
    ...text,
    async set(key, id, body) {
      client.send(bytes(`ms ${key} ${body.length} F${id}\r\n${body}\r\n`));
      return stored(key, await client.line(), "HD");
    },
    async get(key) {
      const line = await client.ask(`mg ${key} v f c`);
      if (line === "EN" || line === "HD") return undefined;
      const [, size, flags, told] = /^VA (\d+) f(\d+) c(\d+)$/.exec(line) ?? [];
      if (size === undefined) throw new Error(`mg ${key} is answered ${line}`);
      const body = (await client.read(Number(size) + 2)).toString("latin1").slice(0, -2);
      return { id: Number(flags), body, number: Number(told) };
    },
    acknowledge: (queue, told) => isYes(`md ${queue} C${told}`, "HD", "NF"),
  };
}

function stored(key: string, answer: string, yes: string): "stored" | "refused" {
  if (answer === yes) return "stored";
  if (answer.startsWith("CLIENT_ERROR no message of ")) return "refused";
  throw new Error(`a set of ${key} is answered ${answer}`);
}

async function binarySpeaker(server: Server): Promise<Speaker> {
  const client = await binaryClient(server);
  await client.alive();
  const isYes = (what: string, status: number) => {
    if (status > 1) throw new Error(`${what} is answered ${status}`);
    return status === 0;
  };
  return {
    async set(key, id, value) {
      const { status, value: reason = "" } = await client.set(key, value, id);
      if (status === 0) return "stored";
      if (status === 4 && reason.startsWith("no message of ")) return "refused";
      throw new Error(`a set of ${key} is answered ${status} ${reason}`);
    },
    async get(key) {
      const { status, flags = 0, value = "", cas = 0 } = await client.get(key);
      return isYes(`get ${key}`, status) ? { id: flags, body: value, number: cas } : undefined;
    },
    async acknowledge(key, told) {
      const { status } = await client.ask(opcodes.delete, { key, cas: BigInt(told) });
      return isYes("delete", status);
    },
    async touch(key, told, seconds) {
      const extras = number(seconds >>> 0);
      const { status } = await client.ask(opcodes.touch, { key, cas: BigInt(told), extras });
      return isYes("touch", status);
    },
    end: client.end,
  };
}
