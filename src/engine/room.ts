import type { Operation } from "../queues/operation.ts";
import type { ReplyRoom } from "../queues/room.ts";
import type { Session } from "./engine.ts";

/** What a reply has beside the message, its key and the digits of its numbers. */
const LINE_BYTES = "VALUE    \r\n\r\n".length;
const END_BYTES = "END\r\n".length;

/** Where room for replies is short: what there is for the messages of a request. */
export function roomFor({ sink }: Session): ReplyRoom | undefined {
  return sink.pressure.outputFull ? { left: sink.room() - END_BYTES } : undefined;
}

/** The message of the operation must fit into the room. @param keyBytes length of the key in the reply */
export function limitRoom(
  operation: Operation,
  room: ReplyRoom | undefined,
  keyBytes: number,
): void {
  operation.room = room;
  operation.besides = LINE_BYTES + keyBytes;
}
