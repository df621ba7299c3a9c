/** A conversation of memcached's own tests, on a server whose queues are empty, and what is answered to it. */
export interface Expectation {
  what: string;
  sent: string;
  memcached: string;
  /** What is answered here, where that differs; PROTOCOL.md says why. */
  here?: string;
}

const set = (name: string, body: string, more = "0 0") =>
  `set ${name} ${more} ${body.length}\r\n${body}\r\n`;
const value = (name: string, body: string, flags = 0) =>
  `VALUE ${name} ${flags} ${body.length}\r\n${body}\r\n`;
const END = "END\r\n";
const ERROR = "ERROR\r\n";
const STORED = "STORED\r\n";
const BAD_FORMAT = "CLIENT_ERROR bad command line format\r\n";
const meaningless = (verb: string) =>
  `CLIENT_ERROR ${verb} has no meaning for a queue, use set\r\n`;

export const EXPECTATIONS: readonly Expectation[] = [
  // The same.
  {
    what: "set and get",
    sent: `${set("a", "one")}get a\r\n`,
    memcached: STORED + value("a", "one") + END,
  },
  { what: "nothing there", sent: "get none\r\ngets none\r\n", memcached: END + END },
  {
    what: "an empty body",
    sent: `${set("e", "")}get e\r\n`,
    memcached: STORED + value("e", "") + END,
  },
  ...[0, 123, 65_535, 2_147_483_648, 4_294_967_295].map((flags) => ({
    what: `flags ${flags}`,
    sent: `${set("f", "x", `${flags} 0`)}get f\r\n`,
    memcached: STORED + value("f", "x", flags) + END,
  })),
  {
    what: "delete, twice, with a time of 0",
    sent: `${set("d", "x")}delete d\r\ndelete d\r\ndelete d 0\r\n`,
    memcached: `${STORED}DELETED\r\nNOT_FOUND\r\nNOT_FOUND\r\n`,
  },
  {
    what: "a pipeline",
    sent: `${set("p", "x")}delete p\r\n`.repeat(3),
    memcached: `${STORED}DELETED\r\n`.repeat(3),
  },
  {
    what: "a get of several keys",
    sent: `${set("m1", "1")}${set("m2", "2", "7 0")}get m1 m2 m3\r\n`,
    memcached: STORED + STORED + value("m1", "1") + value("m2", "2", 7) + END,
  },
  {
    what: "flush_all with and without 0",
    sent: `${set("fl", "x")}flush_all\r\nget fl\r\n${set("fl", "y")}flush_all 0\r\nget fl\r\n`,
    memcached: `${STORED}OK\r\n${END}${STORED}OK\r\n${END}`,
  },
  {
    what: "noreply",
    sent: `flush_all noreply\r\nflush_all 0 noreply\r\nverbosity 0 noreply\r\nset n 0 0 1 noreply\r\n1\r\nget n\r\ndelete n noreply\r\ndelete n\r\n`,
    memcached: `${value("n", "1")}${END}NOT_FOUND\r\n`,
  },
  {
    what: "a bogus command",
    sent: "boguscommand slkdsldkfjsd\r\nversion\r\n",
    memcached: `${ERROR}VERSION\r\n`,
  },
  { what: "an empty line", sent: " \n\r\n", memcached: ERROR + ERROR },
  { what: "no key", sent: "get\r\ngets\r\ndelete\r\n", memcached: ERROR.repeat(3) },
  {
    what: "negative and enormous sizes",
    sent: "set s 0 0 -1\r\nset s 0 0 4294967295\r\n",
    memcached: BAD_FORMAT + BAD_FORMAT,
  },
  {
    what: "verbosity",
    sent: "verbosity\r\nverbosity foo\r\nverbosity noreply\r\nverbosity 0\r\n",
    memcached: `${ERROR}${BAD_FORMAT}OK\r\n`,
  },
  {
    what: "a meta get that finds nothing",
    sent: "mg none v\r\nmg none v q\r\nme none\r\nmn\r\n",
    memcached: "EN\r\nEN\r\nMN\r\n",
  },
  {
    what: "a meta set and get",
    sent: "ms a 2 F5\r\nhi\r\nmg a s v f k Oxy t\r\n",
    memcached: "HD\r\nVA 2 s2 f5 ka Oxy t-1\r\nhi\r\n",
  },
  {
    what: "a key in base64",
    sent: "ms 44OG44K544OI 2 b\r\npo\r\nmg 44OG44K544OI v\r\nmg 44OG44K544OI b v k\r\n",
    memcached: "HD\r\nEN\r\nVA 2 k44OG44K544OI b\r\npo\r\n",
  },
  {
    what: "a meta set in quiet",
    sent: "ms a 1 q\r\nx\r\nmn\r\nmg a v q\r\n",
    memcached: "MN\r\nVA 1\r\nx\r\n",
  },
  {
    what: "a meta delete",
    sent: "ms a 1\r\nx\r\nmd a\r\nmd a\r\n",
    memcached: "HD\r\nHD\r\nNF\r\n",
  },
  {
    what: "wrong meta flags",
    sent: "mg a v v\r\nmg a !\r\n",
    memcached: "CLIENT_ERROR duplicate flag\r\nCLIENT_ERROR invalid flag\r\n",
  },
  { what: "meta commands without a key", sent: "mg\r\nms\r\nmd\r\n", memcached: ERROR.repeat(3) },
  { what: "statistics that nobody knows", sent: "stats bogus\r\n", memcached: ERROR },
  {
    what: "a body that is too long for what was said",
    sent: "set b 0 0 1\r\nxyz\r\nversion\r\n",
    memcached: `CLIENT_ERROR bad data chunk\r\n${ERROR}VERSION\r\n`,
  },

  // What follows from a queue being no cache.
  {
    what: "two gets",
    sent: `${set("t", "x")}get t\r\nget t\r\n`,
    memcached: STORED + value("t", "x") + END + value("t", "x") + END,
    here: STORED + value("t", "x") + END + END,
  },
  {
    what: "two sets",
    sent: `${set("t", "1")}${set("t", "2")}get t\r\nget t\r\n`,
    memcached: STORED + STORED + (value("t", "2") + END).repeat(2),
    here: STORED + STORED + value("t", "1") + END + value("t", "2") + END,
  },
  {
    what: "a key twice in a get",
    sent: `${set("t", "1")}get t t\r\n`,
    memcached: STORED + value("t", "1").repeat(2) + END,
    here: STORED + value("t", "1") + END,
  },
  {
    what: "an expiry in the past",
    sent: `${set("x", "1", "0 -1")}get x\r\n`,
    memcached: STORED + END,
    here: STORED + value("x", "1") + END,
  },
  ...["add", "replace", "append", "prepend"].map((verb) => ({
    what: verb,
    sent: `${verb} s 0 0 1\r\nx\r\n`,
    memcached: verb === "add" ? STORED : "NOT_STORED\r\n",
    here: meaningless(verb),
  })),
  {
    what: "cas",
    sent: "cas s 0 0 1 1\r\nx\r\n",
    memcached: "NOT_FOUND\r\n",
    here: meaningless("cas"),
  },
  {
    what: "cas without its number",
    sent: "cas s 0 0 6 \r\nbarva2\r\n",
    memcached: ERROR + ERROR,
    here: ERROR,
  },
  {
    what: "incr and decr",
    sent: "incr i 1\r\ndecr i 1\r\n",
    memcached: "NOT_FOUND\r\n".repeat(2),
    here: ERROR.repeat(2),
  },
  {
    what: "incr, decr and touch with noreply",
    sent: "incr i 1 noreply\r\ndecr i 1 noreply\r\ntouch i 1 noreply\r\nversion\r\n",
    memcached: "VERSION\r\n",
  },
  { what: "gat", sent: "gat 1 i\r\n", memcached: END },
  {
    what: "ma",
    sent: "ma i\r\n",
    memcached: "NF\r\n",
    here: "CLIENT_ERROR ma has no meaning for a queue\r\n",
  },
  {
    what: "meta modes",
    sent: "ms s 1 ME\r\nx\r\nms s 1 MZ\r\nx\r\n",
    memcached: "HD\r\nCLIENT_ERROR invalid mode for ms M token\r\n",
    here: "CLIENT_ERROR mode E has no meaning for a queue, use S\r\nCLIENT_ERROR invalid mode, use S\r\n",
  },
  {
    what: "whether an item was hit",
    sent: "ms h 1\r\nx\r\nmg h h l s\r\n",
    memcached: "HD\r\nHD h0 l0 s1\r\n",
    here: "HD\r\nHD h0 s1\r\n",
  },
  {
    what: "an item made by a get",
    sent: "mg i s v N30\r\n",
    memcached: "VA 0 s0 W\r\n\r\n",
    here: "EN\r\n",
  },
  {
    what: "a meta delete that keeps the item",
    sent: "ms i 1\r\nx\r\nmd i I T30\r\n",
    memcached: "HD\r\nHD\r\n",
    here: "HD\r\nCLIENT_ERROR flag I has no meaning for a queue\r\n",
  },
  {
    what: "a flush in the future",
    sent: "flush_all 86400\r\n",
    memcached: "OK\r\n",
    here: "CLIENT_ERROR a delay other than 0 is not possible\r\n",
  },

  // Where memcached loses step, or is lax.
  {
    what: "flags below zero",
    sent: "set b -1 0 1\r\nx\r\nversion\r\n",
    memcached: `${BAD_FORMAT}${ERROR}VERSION\r\n`,
    here: `${BAD_FORMAT}VERSION\r\n`,
  },
  {
    what: "a time of delete other than 0",
    sent: "delete d 10\r\n",
    memcached: "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n",
    here: "NOT_FOUND\r\n",
  },
  {
    what: "verbosity with words too many",
    sent: "verbosity foo bar my\r\n",
    memcached: ERROR,
    here: BAD_FORMAT,
  },
  { what: "a word behind version", sent: "version x\r\n", memcached: "VERSION\r\n", here: ERROR },
  {
    what: "a slash in a name",
    sent: "set a/b 0 0 1\r\nx\r\n",
    memcached: STORED,
    here: "CLIENT_ERROR a slash has no place in the name here, it begins the options of a get\r\n",
  },
  { what: "HTTP", sent: "GET / HTTP/1.0\r\nversion\r\n", memcached: "", here: ERROR },
];
