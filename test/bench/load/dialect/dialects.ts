import type { DialectName } from "../../job.ts";
import { beanstalkd } from "./beanstalkd.ts";
import type { Encoder } from "./dialect.ts";
import { memcached } from "./memcached.ts";
import { redis } from "./redis.ts";

const dialects = { memcached, redis, beanstalkd };

export function dialectOf(name: DialectName, queue: string, body: Buffer): Encoder {
  return dialects[name](queue, body);
}
