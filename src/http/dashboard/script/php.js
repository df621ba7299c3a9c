/* What PHP's serialize() writes: https://www.php.net/manual/en/function.serialize.php */

function asPhp(bytes, isCut) {
  return asStructure(bytes, isCut, readPhp, "serialised by PHP");
}

function readPhp(reader) {
  const type = String.fromCharCode(take(reader, 1)[0]);
  if (type === "N") {
    phpMark(reader, ";");
    reader.out += "null";
    return;
  }
  phpMark(reader, ":");
  const read = PHP_TYPES[type];
  if (read === undefined) throw new Unreadable();
  read(reader);
}

const PHP_TYPES = {
  b: (reader) => (reader.out += phpWord(reader, /^[01]$/) === "1" ? "true" : "false"),
  // Numbers stay as they were written.
  i: (reader) => (reader.out += phpWord(reader, /^[+-]?\d+$/)),
  d: (reader) => (reader.out += phpWord(reader, /^(?:[+-]?[\d.]+(?:E[+-]?\d+)?|-?INF|NAN)$/i)),
  s(reader) {
    const text = phpText(reader);
    phpMark(reader, ";");
    reader.out += quote(text);
  },
  a(reader) {
    const entries = phpLength(reader);
    phpMark(reader, "{");
    writeEntries(reader, "[", "]", entries, phpEntry);
    phpMark(reader, "}");
  },
  O(reader) {
    const name = phpText(reader);
    phpMark(reader, ":");
    const properties = phpLength(reader);
    phpMark(reader, "{");
    writeEntries(reader, `${asText(name, false)} {`, "}", properties, phpProperty);
    phpMark(reader, "}");
  },
  C(reader) {
    const name = phpText(reader);
    phpMark(reader, ":");
    const length = phpLength(reader);
    phpMark(reader, "{");
    reader.out += `${asText(name, false)} { ${quote(take(reader, length))} }`;
    phpMark(reader, "}");
  },
  E(reader) {
    reader.out += asText(phpText(reader), false).replace(":", "::");
    phpMark(reader, ";");
  },
  R: (reader) => (reader.out += `the same as value ${phpWord(reader, /^\d+$/)}`),
  r: (reader) => (reader.out += `the same object as value ${phpWord(reader, /^\d+$/)}`),
};

function phpEntry(reader) {
  readPhp(reader);
  reader.out += " => ";
  readPhp(reader);
}

/** Names of protected and private properties have `*` or the class before them, between zero bytes. */
function phpProperty(reader) {
  if (String.fromCharCode(...take(reader, 2)) !== "s:") throw new Unreadable();
  const written = asText(phpText(reader), false);
  phpMark(reader, ";");
  const [, owner, name] = /^\0(.*)\0(.*)$/s.exec(written) ?? [];
  if (name === undefined) reader.out += `${written}: `;
  else reader.out += owner === "*" ? `protected ${name}: ` : `private ${name} of ${owner}: `;
  readPhp(reader);
}

function phpMark(reader, mark) {
  if (take(reader, 1)[0] !== mark.charCodeAt(0)) throw new Unreadable();
}

/** What is there before the next of these characters, which is taken, too. */
function phpUntil(reader, mark) {
  const end = reader.bytes.indexOf(mark.charCodeAt(0), reader.at);
  if (end < 0) throw new CutOff();
  const text = asText(take(reader, end - reader.at), false);
  reader.at++;
  return text;
}

function phpWord(reader, pattern) {
  const word = phpUntil(reader, ";");
  if (!pattern.test(word)) throw new Unreadable();
  return word;
}

/** A number of bytes or entries, with a colon behind it. */
function phpLength(reader) {
  const digits = phpUntil(reader, ":");
  if (!/^\d{1,9}$/.test(digits)) throw new Unreadable();
  return Number(digits);
}

/** The bytes of a string, which are in quotes behind their number. */
function phpText(reader) {
  const length = phpLength(reader);
  phpMark(reader, '"');
  const text = take(reader, length);
  phpMark(reader, '"');
  return text;
}
