/** `bun run bench`: the server as its clients see it, alone or beside its peers. See --help. */
import { cleanUpAtExit } from "./cleanup.ts";
import { fieldOf } from "./contender.ts";
import { describeMachine } from "./machine.ts";
import { rowsOf } from "./matrix.ts";
import { HELP, type Options, readOptions } from "./options.ts";
import { cells, columns, complaint } from "./row.ts";
import { header, line } from "./table.ts";

const NOTES = `
A connection sends <depth> commands, waits for all their answers, and goes on; a latency is from
sending to the command's answer. Gets take from a queue that was filled before. load % is the load
generator's share of a core: near 100 it is the limit, not the server.`;

/** Prints the table as it grows. Returns how many rows got answers that they should not get. */
async function bench(options: Options): Promise<number> {
  const { groups, about } = fieldOf(options);
  const modes = groups.flat().map(({ mode }) => mode);
  const shape = columns(modes, options.peers.length > 0);
  console.log(`${describeMachine()}, bodies of ${options.size} bytes`);
  console.log(`${about}\n\n${header(shape)}`);
  let wrong = 0;
  for await (const row of rowsOf(groups, options)) {
    const note = complaint(row.report);
    if (note !== "") wrong++;
    console.log(line(shape, cells(row), note));
  }
  console.log(NOTES);
  return wrong;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  cleanUpAtExit();
  const wrong = await bench(options);
  if (wrong > 0) console.error(`bench: rows that failed or got a wrong answer: ${wrong}`);
  return wrong > 0 ? 1 : 0;
}

try {
  process.exit(await main());
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
