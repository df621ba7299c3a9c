import type { Token } from "./tokens.ts";

/** Tokens from `start` to `end`, both included. */
export interface Range {
  start: number;
  end: number;
}

/** A name, and where it means this declaration. */
export interface Declaration extends Range {
  name: string;
  /** How it is declared. */
  by: "const" | "let" | "var" | "import" | "function" | "class" | "parameter";
  /** At the top of the module, not in a block or a function. */
  isModule: boolean;
  /** The tokens of its first value, or of what it is taken from; undefined where there is none. */
  value: Range | undefined;
}

/** What the names in a module mean. */
export interface Scopes {
  /** The closing bracket of each opening one. */
  closing: ReadonlyMap<number, number>;
  declarations: readonly Declaration[];
  /** With their parameters. */
  functions: readonly Range[];
}

type Names = { names: string[]; end: number };

const CONTROL = new Set(["if", "for", "while", "switch", "with", "await"]);

/** @param tokens of JavaScript, with a semicolon behind each statement: types are not understood */
export function scopesOf(tokens: readonly Token[]): Scopes {
  const { closing, opening } = matchBrackets(tokens);
  const declarations: Declaration[] = [];
  const functions: Range[] = [];
  const text = (at: number) => (tokens[at]?.kind === "string" ? "" : (tokens[at]?.text ?? ""));
  const isWord = (at: number) => tokens[at]?.kind === "word";

  /** The last token before a comma, a semicolon or a closing bracket that ends what begins here. */
  function endOfExpression(start: number): number {
    let at = start;
    while (at < tokens.length && !/^[,;)\]}]$/.test(text(at))) at = (closing.get(at) ?? at) + 1;
    return at - 1;
  }

  /** The names that a pattern declares, or a list of parameters, up to `end`. */
  function patternNames(start: number, end: number): string[] {
    const names: string[] = [];
    for (let at = start; at <= end; at++) {
      if (text(at) === "=") at = endOfExpression(at + 1);
      else if (isWord(at) && text(at + 1) !== ":") names.push(text(at));
    }
    return names;
  }

  function add(
    by: Declaration["by"],
    names: string[],
    range: Range,
    value?: Range,
    isModule = false,
  ): void {
    for (const name of names) declarations.push({ name, by, isModule, value, ...range });
  }

  /** Where a name that is declared here is known: its block, or the loop or function whose head it is in. */
  function rangeAround(at: number): Range {
    const start = opening[at] ?? -1;
    if (start < 0) return { start: 0, end: tokens.length };
    const end = closing.get(start) ?? tokens.length;
    return { start, end: text(start) === "(" ? bodyEnd(end + 1) : end };
  }

  function bodyEnd(start: number): number {
    return text(start) === "{" ? (closing.get(start) ?? start) : endOfExpression(start);
  }

  /** A list of parameters in parentheses, or a single parameter, and the body behind it. */
  function addFunction(start: number, close: number): void {
    const body = text(close + 1) === "=>" ? close + 2 : close + 1;
    const range = { start, end: bodyEnd(body) };
    if (text(start - 1) !== "catch") functions.push(range);
    add("parameter", patternNames(start, close), range);
  }

  function addVariables(keyword: number): void {
    const by = text(keyword) as "const" | "let" | "var";
    const range = rangeAround(keyword);
    let at = keyword;
    do {
      const { names, end } = declared(at + 1);
      const hasValue = /^(?:=|of|in)$/.test(text(end + 1));
      const last = hasValue ? endOfExpression(end + 2) : end;
      const value = hasValue ? { start: end + 2, end: last } : undefined;
      add(by, names, range, value, (opening[keyword] ?? -1) < 0);
      at = last + 1;
    } while (text(at) === ",");
  }

  /** The names in front of `=`, `of`, `in`, a comma or a semicolon. */
  function declared(start: number): Names {
    const end = closing.get(start) ?? start;
    return { names: patternNames(start, end), end };
  }

  /** `import a, { b as c } from "x"`: the last word of each part is the name. */
  function addImports(keyword: number): void {
    let at = keyword + 1;
    const names: string[] = [];
    for (; at < tokens.length && text(at) !== "from" && text(at) !== ";"; at++) {
      if (isWord(at) && text(at + 1) !== "as") names.push(text(at));
    }
    if (text(at) === "from") add("import", names, rangeAround(keyword), undefined, true);
  }

  function read(at: number): void {
    const before = text(at - 1);
    const isModule = (opening[at] ?? -1) < 0;
    if (isWord(at) && before !== "." && before !== "?.") {
      if (/^(?:const|let|var)$/.test(text(at)) && text(at + 1) !== ":") addVariables(at);
      else if (text(at) === "import" && isModule) addImports(at);
      else if (/^(?:function|class)$/.test(text(at)) && isWord(at + 1)) {
        const by = text(at) as "function" | "class";
        add(by, [text(at + 1)], rangeAround(at), undefined, isModule);
      } else if (text(at + 1) === "=>") addFunction(at, at);
    } else if (text(at) === "(" && tokens[at]?.kind === "mark") {
      const close = closing.get(at) ?? at;
      const after = text(close + 1);
      if (after === "=>" || (after === "{" && !CONTROL.has(before))) addFunction(at, close);
    }
  }

  for (let at = 0; at < tokens.length; at++) read(at);
  return { closing, declarations, functions };
}

/** The closing bracket of each opening one, and for each token the opening bracket around it; -1 is none. */
function matchBrackets(tokens: readonly Token[]) {
  const closing = new Map<number, number>();
  const opening: number[] = [];
  const open: number[] = [];
  tokens.forEach(({ kind, text }, at) => {
    const isMark = kind === "mark";
    if (isMark && /^[)\]}]$/.test(text)) closing.set(open.pop() ?? -1, at);
    opening.push(open.at(-1) ?? -1);
    if (isMark && /^(?:[([{]|\$\{)$/.test(text)) open.push(at);
  });
  return { closing, opening };
}
