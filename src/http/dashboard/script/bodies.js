/* The ways to show a body. What is cut is the beginning of a longer one. */

const VIEWS = { text: asText, json: asJson, php: asPhp, messagepack: asMessagePack, hex: asHex };

/** The bytes as UTF-8; a character that is cut in two is left out. */
function asText(bytes, isCut) {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes, { stream: isCut });
}

function asJson(bytes, isCut) {
  const text = asText(bytes, isCut);
  return formatJson(text, isCut) ?? `${text}\n\n(this is not JSON)`;
}

function asHex(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const some = [...bytes.subarray(at, at + 16)];
    const hex = some.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const plain = some
      .map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "."))
      .join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(47)}  ${plain}`);
  }
  return lines.join("\n");
}
