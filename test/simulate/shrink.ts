/** Shortens a plan that fails: steps, requests and settings are left out as long as it fails in the same way. */
import type { Ask } from "./ask.ts";
import type { Config, Plan, Step } from "./plan.ts";
import { replay } from "./replay.ts";

/** So many milliseconds are spent on it. */
const MAX_MS = 20_000;

/** The same failure, whatever the numbers in it. */
export function kindOf(failure: string): string {
  return failure.replace(/[0-9]+/g, "0").slice(0, 60);
}

export async function shrink(plan: Plan, failure: string, maxMs = MAX_MS): Promise<Plan> {
  const kind = kindOf(failure);
  const until = performance.now() + maxMs;
  const isSame = async (steps: Step[], config = plan.config) => {
    const result = await replay({ ...plan, config, steps });
    return result.failure !== undefined && kindOf(result.failure) === kind;
  };
  const lasts = () => performance.now() < until;
  let { steps, config } = plan;
  for (let before = Infinity; sizeOf(steps) < before && lasts();) {
    before = sizeOf(steps);
    steps = await dropClients(steps, isSame);
    steps = await dropParts(steps, isSame, lasts);
    steps = await dropAsks(steps, isSame, lasts);
  }
  for (const simpler of simplerThan(config)) {
    if (lasts() && (await isSame(steps, { ...config, ...simpler })))
      config = { ...config, ...simpler };
  }
  return { ...plan, config, steps };
}

type IsSame = (steps: Step[]) => Promise<boolean>;

function sizeOf(steps: readonly Step[]): number {
  return steps.reduce((sum, step) => sum + 1 + (step.do === "send" ? step.asks.length : 0), 0);
}

async function dropClients(steps: Step[], isSame: IsSame): Promise<Step[]> {
  let left = steps;
  for (const client of new Set(steps.map((step) => ("client" in step ? step.client : -1)))) {
    const others = left.filter((step) => !("client" in step) || step.client !== client);
    if (others.length < left.length && (await isSame(others))) left = others;
  }
  return left;
}

/** Leaves out ever smaller parts of a list. */
async function dropParts(steps: Step[], isSame: IsSame, lasts: () => boolean): Promise<Step[]> {
  let left = steps;
  for (
    let size = Math.ceil(left.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = left.length - size; at > -size && lasts(); at -= size) {
      const some = [...left.slice(0, Math.max(0, at)), ...left.slice(Math.max(0, at + size))];
      if (some.length < left.length && (await isSame(some))) left = some;
    }
  }
  return left;
}

async function dropAsks(steps: Step[], isSame: IsSame, lasts: () => boolean): Promise<Step[]> {
  const left = [...steps];
  for (const [at, step] of steps.entries()) {
    if (step.do !== "send") continue;
    let now = step;
    const attempt = async (other: typeof step) => {
      left[at] = other;
      if (await isSame(left)) now = other;
      left[at] = now;
    };
    if (step.pieces !== undefined) await attempt({ ...now, pieces: undefined });
    for (const [n, { keys = [] }] of now.asks.entries()) {
      for (
        let size = Math.ceil(keys.length / 2);
        size >= 1 && lasts();
        size = size === 1 ? 0 : Math.ceil(size / 2)
      ) {
        for (let from = (now.asks[n]?.keys?.length ?? 0) - size; from >= 0; from -= size) {
          const shorter = now.asks[n]?.keys?.toSpliced(from, size) ?? [];
          if (shorter.length > 0)
            await attempt({
              ...now,
              asks: now.asks.with(n, { ...(now.asks[n] as Ask), keys: shorter }),
            });
        }
      }
    }
    for (
      let size = Math.ceil(now.asks.length / 2);
      size >= 1;
      size = size === 1 ? 0 : Math.ceil(size / 2)
    ) {
      for (let from = now.asks.length - size; from >= 0 && lasts(); from -= size) {
        await attempt({ ...now, asks: now.asks.toSpliced(from, size) });
      }
    }
  }
  return left;
}

function simplerThan(config: Config): Partial<Config>[] {
  const zeros = ["maxMessages", "maxBytes", "maxInput", "maxOutput", "lookMicros", "commitMicros"];
  return [
    { late: "no" },
    { rules: [] },
    ...zeros.filter((name) => config[name as keyof Config] !== 0).map((name) => ({ [name]: 0 })),
    { waitsForDisk: false },
    { cacheLimit: 1024 * 1024 },
    { lateTurns: 1 },
    { lateOperations: 10_000 },
  ];
}
