/** `bun run bench`: the server as its clients see it, alone or beside its peers. See --help. */
import { cleanUpAtExit } from "./cleanup.ts";
import { printMatrix } from "./matrix/matrix.ts";
import { HELP, readOptions } from "./options.ts";
import { writeReport } from "./report/report.ts";

async function main(): Promise<number> {
  const line = readOptions(process.argv.slice(2));
  if (line.action === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  cleanUpAtExit();
  const wrong = await (line.action === "report"
    ? writeReport(line.options)
    : printMatrix(line.options));
  if (wrong > 0) console.error(`bench: runs that failed or got a wrong answer: ${wrong}`);
  return wrong > 0 ? 1 : 0;
}

try {
  process.exit(await main());
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
