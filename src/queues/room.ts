/** Bytes that are left for messages in the reply to one request, which take them in order. */
export interface ReplyRoom {
  left: number;
}

/** An operation whose message may not fit into the reply. */
interface Reply {
  room: ReplyRoom | undefined;
  besides: number;
}

/** Whether the reply has room for the message. If so, the message takes it. */
export function takesRoom(
  { room, besides }: Reply,
  flags: number,
  length: number,
  number: number,
): boolean {
  if (room === undefined) return true;
  const bytes = besides + length + `${flags}${length}${number}`.length;
  if (bytes > room.left) return false;
  room.left -= bytes;
  return true;
}
