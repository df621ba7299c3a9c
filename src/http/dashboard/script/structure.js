/*
 * Bodies that a client has serialised, as structures. A reader goes through the bytes, and writes what it finds with line
 * breaks, as far as it comes: of a body that is cut the beginning is shown.
 */

class Unreadable extends Error {}
/** There are no more bytes where more are needed. */
class CutOff extends Unreadable {}

/** What `read` makes of the bytes; text and a note when they are something else. */
function asStructure(bytes, isCut, read, format) {
  const reader = { bytes, at: 0, depth: 0, out: "" };
  try {
    read(reader);
    if (reader.at < bytes.length) throw new Unreadable();
    return reader.out;
  } catch (error) {
    if (error instanceof CutOff && isCut) return `${reader.out}…`;
    if (error instanceof Unreadable) return `${asText(bytes, isCut)}\n\n(this is not ${format})`;
    throw error;
  }
}

/** The next bytes. */
function take(reader, length) {
  const { bytes, at } = reader;
  if (at + length > bytes.length) throw new CutOff();
  reader.at += length;
  return bytes.subarray(at, reader.at);
}

/** Writes entries, a line each, between two brackets. */
function writeEntries(reader, opening, closing, entries, writeEntry) {
  reader.out += opening;
  reader.depth++;
  for (let i = 0; i < entries; i++) {
    newLine(reader);
    writeEntry(reader);
  }
  reader.depth--;
  if (entries > 0) newLine(reader);
  reader.out += closing;
}

function newLine(reader) {
  reader.out += `\n${"  ".repeat(Math.min(reader.depth, MAX_INDENT))}`;
}

/** Text in quotes, or bytes that are no text. */
function quote(bytes) {
  try {
    return JSON.stringify(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return `bytes ${hexOf(bytes)}`;
  }
}

function hexOf(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
