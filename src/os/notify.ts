import { error } from "../util/log.ts";
import { sendDatagram } from "./libc.ts";

const VARIABLE = "NOTIFY_SOCKET";

/**
 * Tells the service manager the states of this process: `READY=1`, `STOPPING=1`
 * (https://www.freedesktop.org/software/systemd/man/sd_notify.html). Does nothing without one; never throws.
 */
export function notify(...states: string[]): void {
  const path = process.env[VARIABLE] ?? "";
  if (path === "" || process.platform !== "linux") return;
  if (!sendDatagram(path, states.join("\n"))) {
    error(`${VARIABLE}=${path}: the service manager cannot be told ${states.join(", ")}`);
  }
}
