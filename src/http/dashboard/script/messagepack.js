/* MessagePack: https://github.com/msgpack/msgpack/blob/master/spec.md */

function asMessagePack(bytes, isCut) {
  return asStructure(bytes, isCut, readMessagePack, "MessagePack");
}

function readMessagePack(reader) {
  const [type] = take(reader, 1);
  if (type < 0x80) reader.out += type;
  else if (type < 0x90) packedMap(reader, type & 15);
  else if (type < 0xa0) packedArray(reader, type & 15);
  else if (type < 0xc0) reader.out += quote(take(reader, type & 31));
  else if (type >= 0xe0) reader.out += type - 256;
  else if (PACKED_TYPES[type] === undefined) throw new Unreadable();
  else PACKED_TYPES[type](reader);
}

const PACKED_TYPES = {
  0xc0: (reader) => (reader.out += "null"),
  0xc2: (reader) => (reader.out += "false"),
  0xc3: (reader) => (reader.out += "true"),
  0xc4: (reader) => packedBytes(reader, packedNumber(reader, "Uint8")),
  0xc5: (reader) => packedBytes(reader, packedNumber(reader, "Uint16")),
  0xc6: (reader) => packedBytes(reader, packedNumber(reader, "Uint32")),
  0xc7: (reader) => packedExtension(reader, packedNumber(reader, "Uint8")),
  0xc8: (reader) => packedExtension(reader, packedNumber(reader, "Uint16")),
  0xc9: (reader) => packedExtension(reader, packedNumber(reader, "Uint32")),
  0xca: (reader) => (reader.out += packedNumber(reader, "Float32")),
  0xcb: (reader) => (reader.out += packedNumber(reader, "Float64")),
  0xcc: (reader) => (reader.out += packedNumber(reader, "Uint8")),
  0xcd: (reader) => (reader.out += packedNumber(reader, "Uint16")),
  0xce: (reader) => (reader.out += packedNumber(reader, "Uint32")),
  0xcf: (reader) => (reader.out += packedNumber(reader, "BigUint64")),
  0xd0: (reader) => (reader.out += packedNumber(reader, "Int8")),
  0xd1: (reader) => (reader.out += packedNumber(reader, "Int16")),
  0xd2: (reader) => (reader.out += packedNumber(reader, "Int32")),
  0xd3: (reader) => (reader.out += packedNumber(reader, "BigInt64")),
  0xd4: (reader) => packedExtension(reader, 1),
  0xd5: (reader) => packedExtension(reader, 2),
  0xd6: (reader) => packedExtension(reader, 4),
  0xd7: (reader) => packedExtension(reader, 8),
  0xd8: (reader) => packedExtension(reader, 16),
  0xd9: (reader) => (reader.out += quote(take(reader, packedNumber(reader, "Uint8")))),
  0xda: (reader) => (reader.out += quote(take(reader, packedNumber(reader, "Uint16")))),
  0xdb: (reader) => (reader.out += quote(take(reader, packedNumber(reader, "Uint32")))),
  0xdc: (reader) => packedArray(reader, packedNumber(reader, "Uint16")),
  0xdd: (reader) => packedArray(reader, packedNumber(reader, "Uint32")),
  0xde: (reader) => packedMap(reader, packedNumber(reader, "Uint16")),
  0xdf: (reader) => packedMap(reader, packedNumber(reader, "Uint32")),
};

const PACKED_SIZES = {
  Uint8: 1,
  Int8: 1,
  Uint16: 2,
  Int16: 2,
  Uint32: 4,
  Int32: 4,
  Float32: 4,
  Float64: 8,
  BigUint64: 8,
  BigInt64: 8,
};

/** @param kind as DataView calls it; 64 bits keep all their digits */
function packedNumber(reader, kind) {
  const { buffer, byteOffset, length } = take(reader, PACKED_SIZES[kind]);
  return new DataView(buffer, byteOffset, length)[`get${kind}`](0);
}

function packedArray(reader, entries) {
  writeEntries(reader, "[", "]", entries, readMessagePack);
}

function packedMap(reader, entries) {
  writeEntries(reader, "{", "}", entries, () => {
    readMessagePack(reader);
    reader.out += ": ";
    readMessagePack(reader);
  });
}

function packedBytes(reader, length) {
  reader.out += `bytes ${hexOf(take(reader, length))}`;
}

function packedExtension(reader, length) {
  const type = packedNumber(reader, "Int8");
  reader.out += `extension ${type}, bytes ${hexOf(take(reader, length))}`;
}
