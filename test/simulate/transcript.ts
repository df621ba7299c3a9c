import type { Plan } from "./plan.ts";

/** The plan as a test that can be pasted into simulate.test.ts. */
export function transcriptOf({ seed, config, steps }: Plan): string {
  const shown = steps
    .map(
      (step) =>
        `    ${JSON.stringify(step, (name, value: unknown) => (isPlain(name, value) ? undefined : value))},`,
    )
    .join("\n");
  return `test("seed ${seed}", async () => {
  const config = ${JSON.stringify(config)} as const;
  const steps: Step[] = [
${shown}
  ];
  expect((await replay({ seed: ${seed}, config, steps })).failure).toBeUndefined();
});
`;
}

/** What need not be said. */
function isPlain(name: string, value: unknown): boolean {
  if (name === "quiet" || name === "numbered" || name === "isLoud") return value === false;
  return (
    (name === "pieces" || name === "tokens") &&
    (value === undefined || (value as unknown[]).length === 0)
  );
}
