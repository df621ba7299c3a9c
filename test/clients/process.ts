import { owned } from "../bench/cleanup.ts";

/** How long a line, an end or a condition is waited for, milliseconds. */
const PATIENCE = 30_000;

/** A running program that speaks in lines. */
export interface Process {
  /** Resolves to the next line that it writes. */
  line: () => Promise<string>;
  /** Writes a line to its standard input. */
  tell: (line: string) => void;
  kill: (signal: NodeJS.Signals) => void;
  /** Resolves to its exit code once it has ended; null when a signal ended it. */
  exit: () => Promise<number | null>;
}

export interface ProcessOptions {
  /** Working directory. */
  cwd: string;
  /** Where its lines come from; the other stream goes to the terminal. */
  speaksOn?: "stdout" | "stderr";
  /** An open file that takes the other stream. */
  log?: number;
}

/** Starts a program that does not outlive this one. */
export function startProcess(command: string[], options: ProcessOptions): Process {
  const { cwd, speaksOn = "stdout", log = "inherit" } = options;
  const child = owned(
    Bun.spawn(command, {
      cwd,
      stdin: "pipe",
      stdout: speaksOn === "stdout" ? "pipe" : log,
      stderr: speaksOn === "stderr" ? "pipe" : log,
    }),
  );
  const lines = linesOf(child[speaksOn] as ReadableStream<Uint8Array>);
  const name = command.join(" ");

  async function line(): Promise<string> {
    const { value } = await soon(`a line from ${name}`, lines.next());
    if (value === undefined) throw new Error(`${name}: ended where a line was expected`);
    return value;
  }

  function tell(text: string): void {
    child.stdin.write(`${text}\n`);
    child.stdin.flush();
  }

  async function exit(): Promise<number | null> {
    await soon(`the end of ${name}`, child.exited);
    return child.exitCode;
  }

  return { line, tell, kill: (signal) => child.kill(signal), exit };
}

/** Runs a program to its end, which is waited for that many milliseconds. */
export async function runProcess(
  command: string[],
  cwd: string,
  patience = PATIENCE,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = owned(Bun.spawn(command, { cwd, stdin: "ignore", stdout: "pipe", stderr: "pipe" }));
  const output = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const [stdout, stderr] = await soon(`the end of ${command.join(" ")}`, output, patience);
  return { code: child.exitCode, stdout, stderr };
}

/** Resolves once the condition holds. For states that give no event. */
export async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + PATIENCE; !(await holds()); await Bun.sleep(10)) {
    if (Date.now() > deadline) throw new Error(`${what}: not in ${PATIENCE} ms`);
  }
}

async function soon<T>(what: string, promise: Promise<T>, patience = PATIENCE): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`${what}: not in ${patience} ms`)),
    patience,
  );
  return await Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  return undefined;
}
