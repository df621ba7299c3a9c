/** A connection that speaks the binary dialect. */
import {
  bodyLength,
  number,
  opcodes,
  type Packet,
  parse,
  request,
} from "../protocol/binary/packet.ts";
import type { Server } from "./harness.ts";

/** What an answer is compared by; what is absent is empty or 0. */
export type Answer = {
  opcode: number;
  status: number;
  opaque: number;
  flags?: number;
  key?: string;
  value?: string;
  cas?: number;
};

export type BinaryClient = Awaited<ReturnType<typeof binaryClient>>;

export async function binaryClient(server: Server) {
  const client = await server.connect();
  let opaque = 0;

  /** Reads one answer; checks what is the same in all of them. */
  async function answer(): Promise<Answer> {
    const header = await client.read(24);
    const packet = parse(Buffer.concat([header, await client.read(bodyLength(header))]));
    if (packet.magic !== 0x81 || packet.type !== 0)
      throw new Error(`no answer: ${JSON.stringify(header)}`);
    return shortly(packet);
  }

  /** Sends one request under a number of its own, and reads its one answer. */
  async function ask(
    opcode: number,
    parts: Partial<Packet> = {},
  ): Promise<Omit<Answer, "opaque" | "opcode">> {
    opaque = (opaque + 0x1234567) >>> 0;
    client.send(request(opcode, { opaque, ...parts }));
    const { opcode: answered, opaque: repeated, ...rest } = await answer();
    if (answered !== opcode || repeated !== (parts.opaque ?? opaque)) {
      throw new Error(`another request is answered: ${answered} ${repeated}`);
    }
    return rest;
  }

  return {
    ...client,
    answer,
    ask,
    set: (key: string, value: string, flags = 0) =>
      ask(opcodes.set, { key, value, extras: number(flags) + number(0) }),
    get: (key: string) => ask(opcodes.get, { key }),
    /** Reads rows up to the empty one. */
    async stat(key: string): Promise<[string, string][]> {
      const rows: [string, string][] = [];
      client.send(request(opcodes.stat, { key }));
      for (;;) {
        const { key: name = "", value = "", status } = await answer();
        if (status !== 0) throw new Error(`status ${status}: ${value}`);
        if (name === "" && value === "") return rows;
        rows.push([name, value]);
      }
    },
    /** Fails unless the very next answer is that of a request sent now. */
    async alive(): Promise<void> {
      await ask(opcodes.noop);
    },
  };
}

function shortly({ opcode, reserved, opaque, extras, key, value, cas }: Packet): Answer {
  const flags = extras === "" ? undefined : Buffer.from(extras, "latin1").readUInt32BE(0);
  return {
    opcode,
    status: reserved,
    opaque,
    ...(flags === undefined ? {} : { flags }),
    ...(key === "" ? {} : { key }),
    ...(value === "" ? {} : { value }),
    ...(cas === 0n ? {} : { cas: Number(cas) }),
  };
}
