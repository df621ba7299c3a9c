/** The event loop of the simulated server, one turn at a time, and its work by the clock. */
import { evictStalled } from "../../src/net/clients.ts";
import { BackendError } from "../../src/queues/backend.ts";
import { serve } from "./client.ts";
import { judge } from "./judge.ts";
import { nextTimer, passUntil, runSoon } from "./time.ts";
import { Violation } from "./violation.ts";
import { answerCall, type World } from "./world.ts";

/** Clients that have stalled are looked for that often, in milliseconds. */
const EVICT_MS = 1000;
/** A turn of the loop takes so many milliseconds at least. */
const TURN_MS = 0.02;
/** So many turns without an end are a mistake, or so many calls of a backend that answers later. */
const MAX_TURNS = 100_000;

/** Sockets are read, then what waited for that is done. @returns whether there was anything to do */
export async function turn(world: World): Promise<boolean> {
  let isBusy = false;
  passUntil(world.time, world.time.now + TURN_MS);
  for (const client of world.people.values()) if (serve(world, client)) isBusy = true;
  if (runSoon(world.time)) isBusy = true;
  const { call } = world;
  if (call !== undefined) {
    isBusy = true;
    if (--call.turns <= 0) await answer(world);
  }
  if (world.time.now >= world.evictAt) evict(world);
  if (world.violation !== undefined) throw new Violation(world.violation);
  return isBusy;
}

async function answer(world: World): Promise<void> {
  answerCall(world);
  // The engine goes on in microtasks.
  for (let n = 0; n < 4; n++) await Promise.resolve();
}

/** Turns until there is nothing to do but to wait. */
export async function settle(world: World): Promise<void> {
  const { late, lateTurns } = world.plan.config;
  const most = MAX_TURNS * (late === "no" ? 1 : lateTurns);
  for (let n = 0; await turn(world); n++) {
    if (n > most) throw new Error("there is no end to it");
  }
}

/** The clock goes on, from timer to timer; in between the loop turns. */
export async function pass(world: World, ms: number): Promise<void> {
  const { time } = world;
  const until = time.now + ms;
  while (time.now < until) {
    const next = Math.min(until, time.now + EVICT_MS, nextTimer(time) ?? Infinity);
    passUntil(time, Math.max(next, time.now));
    await turn(world);
    if (!(await turn(world)) && nextTimer(time) === undefined && world.people.size === 0) {
      passUntil(time, until);
    }
  }
}

function evict(world: World): void {
  world.evictAt = world.time.now + EVICT_MS;
  world.isEvicting = true;
  evictStalled(world.clients);
  world.isEvicting = false;
}

/** The work that can wait, all of it. */
export function maintain(world: World): void {
  if (world.call !== undefined) return;
  try {
    for (let n = 0; world.backend.maintain(); n++) if (n > MAX_TURNS) throw new Error("no end");
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
  }
  judge(world.judge, [], 0, 0);
}
