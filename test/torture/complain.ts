import type { Ledger } from "./ledger.ts";

/** An error says that it is the disk. */
const REASON = /^SERVER_ERROR .*(disk|full|I\/O|read-?only|directory)/i;
/** Of many faults the first tell enough. */
const SHOWN = 10;

/** Throws what the ledger has against the server. */
export function complain({ faults, reasons }: Ledger, circumstances: string[]): void {
  const unclear = [...reasons].filter((reason) => !REASON.test(reason));
  const all = [
    ...faults,
    ...unclear.map((text) => `an error that doesn't say what is wrong: ${text}`),
  ];
  if (all.length === 0) return;
  throw new Error(
    `${all.length} faults with ${circumstances.join(" ")}:\n${all.slice(0, SHOWN).join("\n")}`,
  );
}
