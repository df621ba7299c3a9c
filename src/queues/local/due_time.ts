import type { Local } from "./state.ts";

/** A delayed message is due then, in milliseconds since 1970: it must be brought. */
export function expectDue({ due }: Local, time: number): void {
  if (time < due.nextDelayed) due.nextDelayed = time;
}
