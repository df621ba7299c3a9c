/** A piece of a source; comments and space are none. */
export interface Token {
  kind: "word" | "number" | "string" | "regexp" | "mark";
  /** As written, a string without its quotes. */
  text: string;
}

export interface Scan {
  tokens: Token[];
  /** Each with its slashes and stars. */
  comments: string[];
}

const space = /\s+/y;
const comment = /\/\/.*|\/\*[^]*?\*\//y;
const word = /[\p{ID_Start}$_#][\p{ID_Continue}$]*/uy;
const number = /\.?\d[\w.]*/y;
const string = /"((?:\\[^]|[^"\\])*)"|'((?:\\[^]|[^'\\])*)'/y;
const regexp = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/[\\\n])+\/\w*/y;
const mark =
  /\.\.\.|=>|\?\.(?!\d)|>>>=|(?:\*\*|<<|>>|&&|\|\||\?\?)=?|[=!]==?|\+\+|--|[-+*/%&|^<>]=|[^]/y;
/** The text of a template up to its end or its next expression. */
const templateText = /(?:\\[^]|\$(?!\{)|[^`\\$])*/y;

/** After one of these a slash begins a regular expression; after any other word it divides. */
const beforeExpression = new Set(
  "return typeof case in of new delete void await yield throw else do instanceof".split(" "),
);

/** Splits TypeScript or JavaScript. An expression in a template is between two marks, "${" and "}". */
export function scan(source: string): Scan {
  const tokens: Token[] = [];
  const comments: string[] = [];
  /** The braces that are open: of a block, or of an expression in a template. */
  const open: ("block" | "template")[] = [];
  let at = 0;

  function find(pattern: RegExp): string | undefined {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  }

  function add(kind: Token["kind"], text: string | undefined): boolean {
    if (text !== undefined) tokens.push({ kind, text });
    return text !== undefined;
  }

  /** Behind a backtick, or behind the brace that ends an expression. */
  function readTemplate(): void {
    add("string", find(templateText));
    if (source.startsWith("${", at)) {
      add("mark", "${");
      open.push("template");
      at += 2;
    } else at++;
  }

  function readMark(): void {
    const text = find(mark) ?? "";
    if (text === "`") return readTemplate();
    add("mark", text);
    if (text === "{") open.push("block");
    if (text === "}" && open.pop() === "template") readTemplate();
  }

  while (at < source.length) {
    if (find(space) !== undefined) continue;
    const found = find(comment);
    if (found !== undefined) comments.push(found);
    else if (!add("word", find(word)) && !add("number", find(number))) {
      if (add("string", find(string)?.slice(1, -1))) continue;
      if (!(canBeginExpression(tokens.at(-1)) && add("regexp", find(regexp)))) readMark();
    }
  }
  return { tokens, comments };
}

function canBeginExpression(before: Token | undefined): boolean {
  if (before === undefined) return true;
  if (before.kind === "word") return beforeExpression.has(before.text);
  return before.kind === "mark" && !/^(?:[)\]}]|\+\+|--)$/.test(before.text);
}
