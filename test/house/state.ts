import { type Declaration, type Range, type Scopes, scopesOf } from "./scopes.ts";
import { scan, type Token } from "./tokens.ts";

/** A variable of a module that changes, or that is there to be changed. */
export interface State {
  name: string;
  reason: string;
}

/** Methods that change what they belong to: of collections, arrays, buffers and views of them. */
const CHANGING =
  /^(?:set|add|delete|clear|push|pop|shift|unshift|splice|sort|reverse|fill|copyWithin|write|write\w+|set[A-Z]\w*)$/;
/** Functions that change their first argument, by the tokens in front of it. */
const CHANGES_ARGUMENT =
  /(?:Object\.(?:assign|defineProperty|defineProperties|setPrototypeOf)|Reflect\.\w+|\.copy)\($/;
/** A first value that holds nothing, or nothing certain: of no use unless it changes. */
const EMPTY =
  /^(?:new (?:Map|Set|WeakMap|WeakSet|Array)(?:\(\))?|\[\]|\{ \}|Object\.create\(null\)|Buffer\.allocUnsafe.*)$/;

const transpiler = new Bun.Transpiler({ loader: "ts", deadCodeElimination: false });

/**
 * The state of a module: `let` and `var` at its top, collections that begin empty, and what one of its functions
 * changes, by its name or by a local name for it. Not seen: a change by a function that it is passed to.
 * @param source TypeScript
 */
export function stateOf(source: string): State[] {
  // Without types there is less to understand.
  const { tokens } = scan(transpiler.transformSync(source));
  const scopes = scopesOf(tokens);
  const found = new Map<string, string>();
  for (const { name, by, isModule, value } of scopes.declarations) {
    if (!isModule) continue;
    if (by === "let" || by === "var") found.set(name, `is declared with ${by}`);
    else if (value !== undefined && EMPTY.test(textOf(tokens, value))) {
      found.set(name, "begins empty, to be filled");
    }
  }
  for (const { name, how } of changesIn(tokens, scopes)) {
    if (!found.has(name)) found.set(name, `is changed in a function: ${how}`);
  }
  return [...found].map(([name, reason]) => ({ name, reason }));
}

/** The changes of module-level names that are made in functions. */
function changesIn(tokens: readonly Token[], scopes: Scopes): { name: string; how: string }[] {
  return tokens.flatMap((token, at) => {
    const before = tokens[at - 1]?.text;
    if (token.kind !== "word" || before === "." || before === "?.") return [];
    if (!scopes.functions.some((range) => isWithin(at, range))) return [];
    const name = moduleName(tokens, scopes, token.text, at);
    const how = name === undefined ? undefined : changeAt(tokens, scopes, at);
    return name === undefined || how === undefined ? [] : [{ name, how }];
  });
}

/** The module-level name that a word means: its own, or that of the variable that a local name stands for. */
function moduleName(
  tokens: readonly Token[],
  scopes: Scopes,
  name: string,
  at: number,
): string | undefined {
  if (name === "globalThis") return name;
  const declaration = meaningOf(scopes, name, at);
  if (declaration === undefined || declaration.isModule) return declaration?.name;
  const { value } = declaration;
  if (value === undefined || value.start > at) return undefined;
  const end = endOfChain(tokens, scopes, value.start).end;
  const original = tokens[value.start];
  if (end !== value.end || original?.kind !== "word" || original.text === name) return undefined;
  return moduleName(tokens, scopes, original.text, value.start);
}

/** The innermost declaration of the name around the token. */
function meaningOf({ declarations }: Scopes, name: string, at: number): Declaration | undefined {
  return declarations
    .filter((declaration) => declaration.name === name && isWithin(at, declaration))
    .toSorted((a, b) => b.start - a.start)[0];
}

/** How the value of this word is changed here, in the words of the source; undefined when it is not. */
function changeAt(tokens: readonly Token[], scopes: Scopes, at: number): string | undefined {
  const { end, isCalled, method } = endOfChain(tokens, scopes, at);
  const how = textOf(tokens, { start: at, end });
  const before = textOf(tokens, { start: Math.max(0, at - 4), end: at - 1 }).replaceAll(" ", "");
  if (CHANGES_ARGUMENT.test(before)) return how;
  if (end === at) return undefined;
  if (isCalled) {
    // A Set's add() has one argument; a function of that name with more is another one.
    const isOther = method === "add" && hasSeveralArguments(tokens, scopes, end + 1);
    return CHANGING.test(method) && !isOther ? how : undefined;
  }
  const isPrefixed = /^(?:\+\+|--|delete)$/.test(tokens[at - 1]?.text ?? "");
  const after = tokens[end + 1];
  const isAssigned =
    after?.kind === "mark" &&
    /^(?:\+\+|--|=|(?:[-+*/%&|^]|\*\*|<<|>>>?|&&|\|\||\?\?)=)$/.test(after.text);
  return isPrefixed || isAssigned ? how : undefined;
}

/**
 * Follows `name.part[index]?.get(key).other` to its last token, or to the name of a method that is called. What get()
 * and at() return is a part, too.
 */
function endOfChain(tokens: readonly Token[], { closing }: Scopes, start: number) {
  let end = start;
  let method = "";
  for (;;) {
    let next = end + 1;
    const isOptional = tokens[next]?.text === "?.";
    const text =
      isOptional && tokens[next + 1]?.kind === "mark" ? tokens[++next]?.text : tokens[next]?.text;
    if (tokens[next]?.kind !== "mark") return { end, isCalled: false, method };
    if (text === "." || text === "?.") {
      end = next + 1;
      method = tokens[end]?.text ?? "";
    } else if (text === "[") {
      end = closing.get(next) ?? next;
      method = "";
    } else if (text === "(" && /^(?:get|at)$/.test(method)) end = closing.get(next) ?? next;
    else return { end, isCalled: text === "(", method };
  }
}

/** Whether there is a comma between the arguments of the call whose parenthesis is at `open`. */
function hasSeveralArguments(tokens: readonly Token[], { closing }: Scopes, open: number): boolean {
  const close = closing.get(open) ?? open;
  for (let at = open + 1; at < close; at = (closing.get(at) ?? at) + 1) {
    if (tokens[at]?.kind === "mark" && tokens[at]?.text === ",") return true;
  }
  return false;
}

function isWithin(at: number, { start, end }: Range): boolean {
  return start <= at && at <= end;
}

function textOf(tokens: readonly Token[], { start, end }: Range): string {
  const words = tokens
    .slice(start, end + 1)
    .map(({ kind, text }) => (kind === "string" ? JSON.stringify(text) : text));
  return words.join(" ").replaceAll(/ ?(\?\.|[.()[\]]) ?/g, "$1");
}
