import type { Engine } from "../engine/engine.ts";

/** The names that clients wait for although there is no such queue. Such a name may be a mistake. */
export function* awaitedNames({ waiters, backend }: Engine): Generator<string> {
  for (const name of waiters.keys()) if (backend.summary(name) === undefined) yield name;
}
