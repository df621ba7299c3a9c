/* Characters that cannot be seen, or that change how others are shown, are shown by name. */

const HIDDEN = String.raw`\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}`;
/** A name holds no space, so any other kind of space in it is told. */
const IN_NAMES = new RegExp(`(?! )[${HIDDEN}\\p{Zs}]`, "gu");
/** A body may have lines, tabs, and signs that are put together from several, such as emoji. */
const IN_BODIES = new RegExp(
  String.raw`(?![\t\n])(?!(?<=\p{Emoji})\ufe0f)(?!(?<=\p{Emoji}\ufe0f?)\u200d\p{Emoji})[${HIDDEN}]`,
  "gu",
);

/** Not the pictures that Unicode has for them: many fonts lack those. */
const CONTROLS =
  "NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US";

/** Puts text into an element; hidden characters become marks with their names, or their numbers: U+202E. */
function writeVisible(target, text, hidden) {
  const parts = [];
  let from = 0;
  for (const { 0: character, index } of text.matchAll(hidden)) {
    parts.push(text.slice(from, index), element("span", nameOf(character), "mark"));
    from = index + character.length;
  }
  target.replaceChildren(...parts, text.slice(from));
}

function nameOf(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return CONTROLS.split(" ")[code];
  if (code === 0x7f) return "DEL";
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
