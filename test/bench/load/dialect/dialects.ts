import type { DialectName } from "../../job.ts";
import { beanstalkd } from "./beanstalkd.ts";
import type { Encoder } from "./dialect.ts";
import { memcached } from "./memcached.ts";
import { nats } from "./nats.ts";
import { rabbitmq } from "./rabbitmq.ts";
import { redis } from "./redis.ts";

const dialects = { memcached, redis, beanstalkd, rabbitmq, nats };

export function dialectOf(name: DialectName, queue: string, body: Buffer): Encoder {
  return dialects[name](queue, body, 0);
}

/** An encoder for each client: the same one, but where answers come to a subject of the client. */
export function dialectsOf(
  name: DialectName,
  queue: string,
  body: Buffer,
  clients: number,
): [Encoder, ...Encoder[]] {
  const first = dialectOf(name, queue, body);
  const others = Array.from({ length: clients - 1 }, (_, i) =>
    name === "nats" ? nats(queue, body, i + 1) : first,
  );
  return [first, ...others];
}
