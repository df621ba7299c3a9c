-- The queues of many servers in one PostgreSQL database.
--
--     queue    id  name
--     move     queue  n | head  tail  line  ready  open  leased  delayed  bytes …     the newest one (the highest n) is what holds
--     segment  queue  first | count  ends  flags  body  arrived  expires              messages of one set after the other, never changed
--     held     queue  number | kind  body  deliveries  due  server  consumer …        messages of which more is to be known: one a row
--     turn     server  no | kept  took  spent                                         what a server's last turn brought, in case its answer got lost
--     server   id | beat  gone          waiting  queue  server          once  queue  id | at          garbage  queue  below
--
-- A message has a number in its queue, counted from 1 in the order of the sets:
--
--     1              seg     head                                   tail
--     |  gone        |  gone |  in line: in segments                |
--     |  or held     |       |  or held: delayed, or moved here     |
--
-- Messages in line are in segments: the one at `seg` has the message at `head`, or the next one behind a gap has. All other
-- messages are held: available (it came back, or was moved here), open, leased, or delayed. Of all that can be delivered
-- the one with the lowest number goes first. A message that is opened or leased leaves its segment for a row in `held`.
--
-- Rows of `move` are only inserted, and read backwards from the end of the index: rows that are updated at the head of a
-- queue would make all servers slow as soon as any transaction holds a snapshot. Old ones are deleted behind.
--
-- Times are milliseconds since 1970 by the clock of PostgreSQL. Only the one that holds the advisory lock (22201, queue)
-- changes a queue; locks are taken in the order of their ids. (22202, server) is the lock of a server's turns.

create table memcacheq.version (version int not null, servers text not null default '');

create table memcacheq.queue (
  id int generated always as identity primary key,
  name bytea not null unique
);

create table memcacheq.move (
  queue int not null,
  n bigint not null,
  head bigint not null,
  tail bigint not null,
  seg bigint not null,
  line bigint not null,      -- messages in line
  ready int not null,        -- rows of `held`, by their kinds
  open int not null,
  leased int not null,
  delayed int not null,
  bytes bigint not null,     -- of the bodies of all messages
  due bigint,                -- no delay and no lease ends before; null: none does
  paused bigint,             -- nothing is delivered until then; 0: until it is resumed
  waited bigint not null,    -- how long the message that was taken last had been there
  tally bigint[],            -- dropped, expired, duplicates, redelivered, dead, missed
  primary key (queue, n)
);

create table memcacheq.segment (
  queue int not null,
  first bigint not null,
  count int not null,
  ends int[] not null,       -- where each body ends in `body`
  flags int[],               -- null: all are 0
  body bytea not null,
  arrived bigint not null,
  expires bigint not null,   -- 0: never
  primary key (queue, first)
);
alter table memcacheq.segment alter body set storage external;

create table memcacheq.held (
  queue int not null,
  number bigint not null,
  kind "char" not null,      -- a: available, o: open, l: leased, d: delayed
  flags int not null,
  body bytea not null,
  arrived bigint not null,
  expires bigint not null,
  deliveries int not null,   -- before the present one
  due bigint,                -- when the delay or the lease ends
  since bigint,              -- when it was opened or leased
  early bigint,              -- it was opened before this time
  server int,                -- open: of the consumer
  consumer bigint,
  client text,
  origin bytea,              -- the queue that it came from, its number there, and why it was moved
  origin_number bigint,
  reason text,
  primary key (queue, number)
);
alter table memcacheq.held alter body set storage external;
create index held_ready on memcacheq.held (queue, number) where kind = 'a';
create index held_due on memcacheq.held (due) where due is not null;
create index held_queue_due on memcacheq.held (queue, due) where due is not null;
create index held_open on memcacheq.held (server, consumer, queue) where kind = 'o';

create type memcacheq.result as (
  step int,                  -- the step of the turn; 0: about queues
  outcome text,              -- null: done
  number double precision,
  ends int[],                -- of the messages that a take brings: where the first body begins in its segment, and where each ends
  flags int[],
  body bytea,
  info jsonb
);

create table memcacheq.turn (
  server int not null,
  no bigint not null,
  kept memcacheq.result[],   -- results, without what is still in segments:
  took bigint[],             -- step, queue, first number and end of what was taken from there
  spent bigint[],            -- queue, first number and end of segments that are used up
  primary key (server, no)
);

alter table memcacheq.turn alter kept set storage external;

create table memcacheq.server (
  id int generated always as identity primary key,
  beat timestamptz not null,
  gone boolean not null default false,
  version text not null,
  rules text not null        -- a digest of the settings of its queues
);

create table memcacheq.waiting (queue int, server int, primary key (queue, server));

create table memcacheq.once (queue int, id bigint, at bigint not null, primary key (queue, id));
create index once_at on memcacheq.once (at);

-- Segments below a number, or of a deleted queue, that are deleted in portions.
create table memcacheq.garbage (
  queue int not null,
  below bigint not null,
  at timestamptz not null default clock_timestamp()
);

-- Rows come and go all the time: vacuum is due by their number, not by a share of the table.
alter table memcacheq.move set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000, autovacuum_vacuum_cost_delay = 0);
alter table memcacheq.segment set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
alter table memcacheq.turn set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
alter table memcacheq.held set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
