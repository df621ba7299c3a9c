/** Databases for tests: in the PostgreSQL of MEMCACHEQ_TEST_STORE, or in one that is started for the tests of a file. */
import { afterAll, setDefaultTimeout } from "bun:test";

import { type Cluster, createDatabase, startCluster } from "./cluster.ts";

export interface Databases {
  port(): Promise<number>;
  /** @returns the name of a new one */
  make(): Promise<string>;
}

/** To be called once at the top of each test file. */
export function databases(): Databases {
  setDefaultTimeout(120_000);
  const owner = process.env["MEMCACHEQ_TEST_STORE"];
  let cluster: Promise<Cluster> | undefined;
  let made = 0;
  if (owner !== undefined) {
    return {
      port: async () => Number(new URL(owner).port || 5432),
      async make() {
        const name = `q${process.pid}_${crypto.randomUUID().slice(0, 8)}_${++made}`;
        await createDatabase(owner, name);
        return name;
      },
    };
  }
  const started = () => (cluster ??= startCluster());
  afterAll(async () => (await cluster)?.dispose());
  return {
    port: async () => (await started()).port,
    make: async () => (await started()).newDatabase(),
  };
}
