/** How long a check takes, and how much memory: about 30 ms and 19 MB, as OWASP recommends for argon2id. */
const COSTS = { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 } as const;
const MAX_BYTES = 250;

/**
 * Reads a password from standard input, and prints its hash for the auth file.
 * @throws Error when it is no password, in words for the user
 */
export async function hashPassword(): Promise<void> {
  if (process.stdin.isTTY) process.stderr.write("the password, which is shown as it is typed: ");
  const input = process.stdin.isTTY ? await firstLine() : Buffer.from(await Bun.stdin.bytes());
  const password = withoutLineEnd(input);
  if (
    password.length === 0 ||
    password.length > MAX_BYTES ||
    /[\0\r\n]/.test(password.toString("latin1"))
  ) {
    throw new Error(
      `--hash-password: a password is one line of 1 to ${MAX_BYTES} bytes on standard input`,
    );
  }
  console.log(await Bun.password.hash(password, COSTS));
}

async function firstLine(): Promise<Buffer> {
  for await (const line of console) return Buffer.from(line);
  return Buffer.alloc(0);
}

/** A shell's `echo` and most editors add one. */
function withoutLineEnd(input: Buffer): Buffer {
  const end = input.at(-1) === 10 ? input.length - 1 : input.length;
  return input.subarray(0, end > 0 && end < input.length && input[end - 1] === 13 ? end - 1 : end);
}
