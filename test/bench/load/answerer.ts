import { QUEUE } from "../job.ts";
/**
 * A server that only answers: STORED to each set of a body of the given size, whatever the
 * queue is, and DELETED to a delete. What it carries is what the load generator can drive.
 * `bun answerer.ts <size>` prints its port.
 */
import { dialectOf } from "./dialect/dialects.ts";

const LETTER_D = 100;
const MOST_ANSWERS_AT_ONCE = 65_536;

const size = Number(process.argv[2]);
const command = dialectOf("memcached", QUEUE, Buffer.alloc(size)).set.length;
const stored = Buffer.from("STORED\r\n");
const answers = Buffer.alloc(stored.length * MOST_ANSWERS_AT_ONCE, stored);

/** Bytes of a command that has not come whole yet. */
type Client = { rest: number };

const listener = Bun.listen<Client>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(socket) {
      socket.data = { rest: 0 };
    },
    data(socket, chunk) {
      if (socket.data.rest === 0 && chunk[0] === LETTER_D) {
        socket.write("DELETED\r\n");
        return;
      }
      const bytes = socket.data.rest + chunk.length;
      const sets = Math.floor(bytes / command);
      socket.data.rest = bytes - sets * command;
      if (sets > 0) socket.write(answers, 0, sets * stored.length);
    },
  },
});
console.log(listener.port);
