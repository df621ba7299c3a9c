/* The ways to show a body. */

/** Control characters are shown as the pictures that Unicode has for them. */
function asText(bytes) {
  const picture = (character) => String.fromCharCode(0x2400 + character.charCodeAt(0));
  return new TextDecoder().decode(bytes).replace(/[\0-\x08\x0b-\x1f]/g, picture);
}

function asJson(bytes) {
  const text = asText(bytes);
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return `${text}\n\n(this is not JSON)`;
  }
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
