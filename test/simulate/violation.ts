/** Something is not as the contract says. */
export class Violation extends Error {}

/** For a message: a part of the bytes, as it would stand in a program. */
export function ofText(text: string): string {
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return JSON.stringify(shown);
}
