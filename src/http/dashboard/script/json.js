/* JSON as it is written, with line breaks: numbers, strings and repeated keys stay as they are. */

const JSON_TOKEN =
  /[ \t\r\n]*([[\]{}:,]|"(?:[^"\\\0-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|(?:true|false|null)\b)/y;
/** What can be left of a token where a text was cut. */
const JSON_CUT = /^(?:"(?:[^"\\\0-\x1f]|\\.)*\\?|[-+.\w]*)$/;
/** Deeper levels are not indented further. */
const MAX_INDENT = 30;

/**
 * @param isCut whether the text is only the beginning
 * @returns undefined when it is not JSON
 */
function formatJson(text, isCut) {
  const open = []; // the braces and brackets around the token
  let expected = "value";
  let out = "";
  let at = 0;
  for (;;) {
    JSON_TOKEN.lastIndex = at;
    const token = JSON_TOKEN.exec(text)?.[1];
    if (token === undefined) break;
    at = JSON_TOKEN.lastIndex;
    const next = afterToken(token, expected, open);
    if (next === undefined) return undefined;
    out += spaceBefore(token, expected, open.length) + token;
    if (token === "{" || token === "[") open.push(token);
    expected = next;
  }
  const rest = text.slice(at).trim();
  if (isCut)
    return isCutToken(rest, expected, out)
      ? out + spaceBefore(rest, expected, open.length) + rest
      : undefined;
  return expected === "end" && rest === "" ? out : undefined;
}

function isCutToken(rest, expected, before) {
  if (rest === "") return before !== "";
  if (!/(?:key|value)$/.test(expected) || !JSON_CUT.test(rest)) return false;
  return before !== "" || rest.startsWith('"');
}

/** What may come after a token; undefined when the token itself may not be there. Takes what it closes from `open`. */
function afterToken(token, expected, open) {
  const isClosing = token === "}" || token === "]";
  if (isClosing) {
    const mayClose = expected === "comma" || expected === "first key" || expected === "first value";
    if (!mayClose || open.pop() !== (token === "}" ? "{" : "[")) return undefined;
    return open.length === 0 ? "end" : "comma";
  }
  if (token === ":") return expected === "colon" ? "member value" : undefined;
  if (token === ",")
    return expected !== "comma" ? undefined : open.at(-1) === "{" ? "key" : "value";
  if (expected.endsWith("key")) return token.startsWith('"') ? "colon" : undefined;
  if (!expected.endsWith("value")) return undefined;
  if (token === "{") return "first key";
  if (token === "[") return "first value";
  return open.length === 0 ? "end" : "comma";
}

/** @param depth how many braces and brackets are open around the token */
function spaceBefore(token, expected, depth) {
  const isClosing = token === "}" || token === "]";
  if (token === "" || token === "," || token === ":" || (isClosing && expected !== "comma"))
    return "";
  if (expected === "member value") return " ";
  if (depth === 0 && !isClosing) return "";
  return "\n" + "  ".repeat(Math.min(depth, MAX_INDENT));
}
