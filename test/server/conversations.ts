/**
 * What MemcacheQ 0.2 was recorded to answer where that still holds, and every row of the protocol's tables. Each
 * conversation starts and ends without any queue, so that it can be had again on the same server.
 */
import { version } from "../../package.json";

const longName = "n".repeat(251);
const tooLarge = 1025;

/** For a server with the default limit of 1,024 bytes a message. */
export const conversations: readonly (readonly [title: string, text: string])[] = [
  [
    "two messages, first in, first out",
    `> set q4 0 0 5
     > Hello
     < STORED
     > set q4 0 0 5
     > World
     < STORED
     > stats queue
     < STAT q4 2/0
     < END
     > get q4
     < VALUE q4 0 5
     < Hello
     < END
     > stats queue
     < STAT q4 2/1
     < END
     > get q4
     < VALUE q4 0 5
     < World
     < END
     > get q4
     < END
     > stats queue
     < STAT q4 2/2
     < END
     > delete q4
     < DELETED`,
  ],
  [
    "an unknown queue",
    `> get nothing
     < END
     > gets nothing
     < END
     > stats queue
     < END`,
  ],
  [
    "an empty message",
    `> set q 0 0 0
     >
     < STORED
     > get q
     < VALUE q 0 0
     <
     < END
     > delete q
     < DELETED`,
  ],
  [
    "three names in one get",
    `> set a 1 0 3
     > abc
     < STORED
     > set b 0 0 3
     > def
     < STORED
     > get a b c
     < VALUE a 1 3
     < abc
     < VALUE b 0 3
     < def
     < END
     > get a b c
     < END
     > delete a
     < DELETED
     > delete b
     < DELETED`,
  ],
  [
    "a name twice in one get, names in the order named",
    `> set a 0 0 1
     > 1
     < STORED
     > set a 0 0 1
     > 2
     < STORED
     > set b 0 0 1
     > 3
     < STORED
     > get a b a
     < VALUE a 0 1
     < 1
     < VALUE b 0 1
     < 3
     < VALUE a 0 1
     < 2
     < END
     > delete b
     < DELETED
     > delete a
     < DELETED`,
  ],
  [
    "the numbers that gets adds",
    `> set n 7 0 3
     > one
     < STORED
     > set n 8 0 3
     > two
     < STORED
     > set m 0 0 1
     > x
     < STORED
     > set n 9 0 5
     > three
     < STORED
     > gets n m
     < VALUE n 7 3 1
     < one
     < VALUE m 0 1 1
     < x
     < END
     > get n
     < VALUE n 8 3
     < two
     < END
     > gets n n
     < VALUE n 9 5 3
     < three
     < END
     > delete n
     < DELETED
     > delete m
     < DELETED`,
  ],
  [
    "delete",
    `> set a 0 0 1
     > x
     < STORED
     > delete a
     < DELETED
     > delete a
     < NOT_FOUND
     > delete a 0
     < NOT_FOUND
     > get a
     < END
     > set a 0 0 1
     > y
     < STORED
     > delete a 0
     < DELETED
     > delete
     < ERROR
     > delete ${longName}
     < CLIENT_ERROR bad command line format
     > set a 0 0 1
     > z
     < STORED
     > delete a soon
     < CLIENT_ERROR bad command line format
     > delete a 0 0
     < CLIENT_ERROR bad command line format
     > delete a 0 noreply more
     < CLIENT_ERROR bad command line format
     > get a
     < VALUE a 0 1
     < z
     < END
     > delete a 4294967295
     < DELETED`,
  ],
  [
    "a deleted queue's counters and numbers",
    `> set a 0 0 1
     > 1
     < STORED
     > get a
     < VALUE a 0 1
     < 1
     < END
     > set a 0 0 1
     > 2
     < STORED
     > delete a
     < DELETED
     > stats queue
     < END
     > set a 0 0 1
     > 3
     < STORED
     > stats queue
     < STAT a 1/0
     < END
     > gets a
     < VALUE a 0 1 1
     < 3
     < END
     > delete a
     < DELETED`,
  ],
  [
    "a body with a wrong end",
    `> set q 0 0 5
     > HelloXX
     < CLIENT_ERROR bad data chunk
     < ERROR
     > set q 0 0 5
     > HelloXXget q
     < CLIENT_ERROR bad data chunk
     < END
     > stats queue
     < END`,
  ],
  [
    "a body that is too short",
    `> set q 0 0 20
     > Hello
     > get q
     > version
     < CLIENT_ERROR bad data chunk
     < ERROR
     > get q
     < END`,
  ],
  [
    "a body of exactly the limit, and one more",
    `> set q 0 0 ${tooLarge - 1}
     > ${"b".repeat(tooLarge - 1)}
     < STORED
     > set q 0 0 ${tooLarge}
     > ${"c".repeat(tooLarge)}
     < SERVER_ERROR object too large for cache
     > get q q
     < VALUE q 0 ${tooLarge - 1}
     < ${"b".repeat(tooLarge - 1)}
     < END
     > delete q
     < DELETED`,
  ],
  [
    "a name that is too long",
    `> set ${longName} 0 0 1
     > x
     < CLIENT_ERROR bad command line format
     > get ${longName}
     < CLIENT_ERROR bad command line format
     > gets ${longName}
     < CLIENT_ERROR bad command line format
     > stats queue
     < END`,
  ],
  [
    "a name that is too long, after others in the same get",
    `> set a 0 0 1
     > x
     < STORED
     > get a ${longName} a
     < CLIENT_ERROR bad command line format
     > gets a ${longName}
     < CLIENT_ERROR bad command line format
     > get a
     < VALUE a 0 1
     < x
     < END
     > delete a
     < DELETED`,
  ],
  [
    "flags from 0 to 4294967295",
    `> set q 4294967295 0 1
     > a
     < STORED
     > set q 2147483648 0 1
     > b
     < STORED
     > set q 4294967296 0 1
     > c
     < CLIENT_ERROR bad command line format
     > set q -1 0 1
     > d
     < CLIENT_ERROR bad command line format
     > set q one 0 1
     > e
     < CLIENT_ERROR bad command line format
     > get q q q
     < VALUE q 4294967295 1
     < a
     < VALUE q 2147483648 1
     < b
     < END
     > delete q
     < DELETED`,
  ],
  [
    "exptime is a number, and ignored",
    `> set q 0 1 1
     > a
     < STORED
     > set q 0 -1 1
     > b
     < STORED
     > set q 0 soon 1
     > c
     < CLIENT_ERROR bad command line format
     > get q q q
     < VALUE q 0 1
     < a
     < VALUE q 0 1
     < b
     < END
     > delete q
     < DELETED`,
  ],
  [
    "bytes that are no number: the next line is a command",
    `> set q 0 0 abc
     < CLIENT_ERROR bad command line format
     > set q 0 0 -1
     < CLIENT_ERROR bad command line format
     > set q 0 0 2147483646
     < CLIENT_ERROR bad command line format
     > set q 0 0 99999999999999999999
     < CLIENT_ERROR bad command line format
     > set q 0 0 1x
     < CLIENT_ERROR bad command line format
     > get q
     < END`,
  ],
  [
    "too few words and too many",
    `> set
     < ERROR
     > set q
     < ERROR
     > set q 0
     < ERROR
     > set q 0 0
     < ERROR
     > set q 0 0 5 foo
     > Hello
     < ERROR
     > set q 0 0 5 noreply foo
     > Hello
     < ERROR
     > set q 0 0 5 NOREPLY
     > Hello
     < ERROR
     > set q 0 0 abc foo
     < ERROR
     > get
     < ERROR
     > gets
     < ERROR
     > stats queue
     < END`,
  ],
  [
    "noreply",
    `> set q 0 0 5 noreply
     > Hello
     > get q
     < VALUE q 0 5
     < Hello
     < END
     > delete q noreply
     > delete q 0 noreply
     > verbosity 1 noreply
     > get q
     < END
     > stats queue
     < END`,
  ],
  [
    "verbosity",
    `> verbosity 0
     < OK
     > verbosity 1
     < OK
     > verbosity
     < ERROR
     > verbosity much
     < CLIENT_ERROR bad command line format`,
  ],
  [
    "the store's commands",
    `> db_checkpoint
     < OK
     > db_archive
     < OK
     > db_checkpoint now
     < ERROR
     > db_archive now
     < ERROR`,
  ],
  [
    "version",
    `> version
     < VERSION ${version}
     > version 1
     < ERROR`,
  ],
  [
    "commands of a cache that a queue doesn't have",
    `> add q 0 0 5
     > Hello
     < CLIENT_ERROR add has no meaning for a queue, use set
     > replace q 0 0 5
     > Hello
     < CLIENT_ERROR replace has no meaning for a queue, use set
     > append q 0 0 5
     > Hello
     < CLIENT_ERROR append has no meaning for a queue, use set
     > prepend q 0 0 5
     > Hello
     < CLIENT_ERROR prepend has no meaning for a queue, use set
     > cas q 0 0 5 1
     > Hello
     < CLIENT_ERROR cas has no meaning for a queue, use set
     > add q 0 0 5 noreply
     > Hello
     > cas q 0 0 5 1 noreply
     > Hello
     > stats queue
     < END`,
  ],
  [
    "what is no command",
    `> getter q
     < ERROR
     > Sett q 0 0 1
     > x
     < ERROR
     >
     < ERROR
     > incr q 1
     < ERROR
     > touch q 0
     < CLIENT_ERROR a message is named <queue>/<number>, with the number that its lease told
     > flush
     < ERROR
     > quit x
     < ERROR
     > stats foo
     < ERROR
     > getq
     < ERROR
     > get\tq
     < ERROR
     > nonsense
     < ERROR`,
  ],
  [
    "stats queue in the order in which the queues were made",
    `> set zebra 0 0 1
     > 1
     < STORED
     > set ant 0 0 1
     > 2
     < STORED
     > set mole 0 0 1
     > 3
     < STORED
     > set zebra 0 0 1
     > 4
     < STORED
     > get ant
     < VALUE ant 0 1
     < 2
     < END
     > stats queue
     < STAT zebra 2/0
     < STAT ant 1/1
     < STAT mole 1/0
     < END
     > delete zebra
     < DELETED
     > set zebra 0 0 1
     > 5
     < STORED
     > stats queue
     < STAT ant 1/1
     < STAT mole 1/0
     < STAT zebra 1/0
     < END
     > delete ant
     < DELETED
     > delete mole
     < DELETED
     > delete zebra
     < DELETED`,
  ],
  [
    "a slash in a name",
    `> set a/b 0 0 5
     > Hello
     < CLIENT_ERROR a slash has no place in the name here, it begins the options of a get
     > delete a/b
     < CLIENT_ERROR a message is named <queue>/<number>, with the number that its lease told
     > flush a/b
     < CLIENT_ERROR a slash has no place in the name here, it begins the options of a get
     > stats queue
     < END`,
  ],
  [
    "open, close and abort",
    `> set work 7 0 3
     > one
     < STORED
     > set work 8 0 3
     > two
     < STORED
     > get work/open
     < VALUE work/open 7 3
     < one
     < END
     > get work/open
     < CLIENT_ERROR a message of work is open already
     > stats queue
     < STAT work 2/0
     < END
     > get work/abort
     < END
     > gets work/open
     < VALUE work/open 7 3 1
     < one
     < END
     > gets work/close/open
     < VALUE work/close/open 8 3 2
     < two
     < END
     > stats queue
     < STAT work 2/1
     < END
     > get work/close
     < END
     > get work/close
     < END
     > get work/abort
     < END
     > get work/open
     < END
     > stats queue
     < STAT work 2/2
     < END
     > delete work
     < DELETED`,
  ],
  [
    "peek",
    `> get q/peek
     < END
     > set q 3 0 1
     > a
     < STORED
     > get q/peek
     < VALUE q/peek 3 1
     < a
     < END
     > gets q/peek q/peek q
     < VALUE q/peek 3 1 1
     < a
     < VALUE q/peek 3 1 1
     < a
     < VALUE q 3 1 1
     < a
     < END
     > get q/peek
     < END
     > delete q
     < DELETED`,
  ],
  [
    "waiting for no time",
    `> get q/t=0
     < END
     > set q 0 0 1
     > a
     < STORED
     > get q/t=0
     < VALUE q/t=0 0 1
     < a
     < END
     > delete q
     < DELETED`,
  ],
  [
    "flush",
    `> set a 0 0 1
     > 1
     < STORED
     > set a 0 0 1
     > 2
     < STORED
     > flush a
     < END
     > flush unknown
     < END
     > get a
     < END
     > stats queue
     < STAT a 2/2
     < END
     > set a 0 0 1
     > 3
     < STORED
     > gets a
     < VALUE a 0 1 3
     < 3
     < END
     > flush a noreply
     > flush ${longName}
     < CLIENT_ERROR bad command line format
     > delete a
     < DELETED`,
  ],
  [
    "flush_all",
    `> flush_all
     < OK
     > set a 0 0 1
     > 1
     < STORED
     > set b 0 0 1
     > 2
     < STORED
     > flush_all 5
     < CLIENT_ERROR a delay other than 0 is not possible
     > flush_all 5 noreply
     > stats queue
     < STAT a 1/0
     < STAT b 1/0
     < END
     > flush_all 0
     < OK
     > get a b
     < END
     > set a 0 0 1
     > 3
     < STORED
     > flush_all noreply
     > flush_all 0 noreply
     > stats queue
     < STAT a 2/2
     < STAT b 1/1
     < END
     > delete a
     < DELETED
     > delete b
     < DELETED`,
  ],
  [
    "stats reset leaves the queues' counters",
    `> set q 0 0 1
     > 1
     < STORED
     > stats reset
     < RESET
     > stats queue
     < STAT q 1/0
     < END
     > delete q
     < DELETED`,
  ],
];
