-- Single messages: finding the oldest one, taking it from its place, holding it.

create type memcacheq.context as (server int, now bigint, queues int[], rules jsonb);

-- A message in its queue. `first`: the segment that it is in; null: it is held.
create type memcacheq.message as (
  number bigint, flags int, body bytea, arrived bigint, expires bigint, deliveries int, first bigint, is_last boolean,
  origin bytea, origin_number bigint, reason text
);

create function memcacheq.now_ms() returns bigint language sql volatile as
$$ select (extract(epoch from clock_timestamp()) * 1000)::bigint $$;

create function memcacheq.newest(p_queue int) returns memcacheq.move language sql stable as
$$ select m from memcacheq.move m where queue = p_queue order by n desc limit 1 $$;

create function memcacheq.save(m memcacheq.move) returns memcacheq.move language plpgsql as $$
begin
  m.n := m.n + 1;
  insert into memcacheq.move select (m).*;
  if m.n % 256 = 0 then
    delete from memcacheq.move where queue = m.queue and n between m.n - 1024 and m.n - 16;
  end if;
  return m;
end $$;

-- How many rows of each kind there are, when one more is of this kind, or one less.
create function memcacheq.counted(m memcacheq.move, p_kind "char", p_by int) returns memcacheq.move language plpgsql immutable as $$
begin
  case p_kind
    when 'a' then m.ready := m.ready + p_by;
    when 'o' then m.open := m.open + p_by;
    when 'l' then m.leased := m.leased + p_by;
    else m.delayed := m.delayed + p_by;
  end case;
  return m;
end $$;

create function memcacheq.messages(m memcacheq.move) returns bigint language sql immutable as
$$ select m.line + m.ready + m.open + m.leased + m.delayed $$;

create function memcacheq.tallied(m memcacheq.move, p_what int, p_by bigint default 1) returns memcacheq.move language plpgsql immutable as $$
begin
  m.tally := coalesce(m.tally, '{0,0,0,0,0,0}');
  m.tally[p_what] := m.tally[p_what] + p_by;
  return m;
end $$;

create function memcacheq.is_paused(m memcacheq.move, p_now bigint) returns boolean language sql immutable as
$$ select coalesce(m.paused = 0 or p_now < m.paused, false) $$;

-- The queue of that name, which may not be locked. Then the turn is tried again with it: the caller makes it if need be.
create function memcacheq.other(c memcacheq.context, p_name bytea) returns int language plpgsql as $$
declare
  v_id int;
begin
  select id into v_id from memcacheq.queue where name = p_name;
  if v_id is null or v_id <> all (c.queues) then
    raise exception using errcode = 'MQ001', message = encode(p_name, 'hex');
  end if;
  return v_id;
end $$;

create function memcacheq.name_of(p_queue int) returns bytea language sql stable as
$$ select name from memcacheq.queue where id = p_queue $$;

create function memcacheq.held_message(h memcacheq.held) returns memcacheq.message language sql immutable as $$
  select row(h.number, h.flags, h.body, h.arrived, h.expires, h.deliveries, null, false, h.origin, h.origin_number, h.reason)::memcacheq.message
$$;

-- The message in line with the lowest number.
create function memcacheq.first_in_line(m memcacheq.move) returns memcacheq.message language plpgsql stable as $$
declare
  s record;
  v_at int;
  g memcacheq.message;
begin
  select first, count, ends, flags, body, arrived, expires into s
    from memcacheq.segment where queue = m.queue and first >= m.seg order by first limit 1;
  if not found then
    raise exception 'the database is damaged: message % of queue % is missing', m.head, m.queue;
  end if;
  v_at := greatest(m.head - s.first, 0) + 1;
  g.number := s.first + v_at - 1;
  g.flags := coalesce(s.flags[v_at], 0);
  g.body := substr(s.body, coalesce(s.ends[v_at - 1], 0) + 1, s.ends[v_at] - coalesce(s.ends[v_at - 1], 0));
  g.arrived := s.arrived;
  g.expires := s.expires;
  g.deliveries := 0;
  g.first := s.first;
  g.is_last := v_at = s.count;
  return g;
end $$;

-- The message that is delivered next; null when there is none.
create function memcacheq.oldest(m memcacheq.move) returns memcacheq.message language plpgsql stable as $$
declare
  h memcacheq.held;
  g memcacheq.message;
begin
  if m.line > 0 then
    g := memcacheq.first_in_line(m);
  end if;
  if m.ready > 0 then
    select * into h from memcacheq.held where queue = m.queue and kind = 'a' order by number limit 1;
    if g.number is null or h.number < g.number then
      return memcacheq.held_message(h);
    end if;
  end if;
  return g;
end $$;

-- The message that `oldest` found leaves its place. Its bytes still count.
create function memcacheq.passed(m memcacheq.move, g memcacheq.message) returns memcacheq.move language plpgsql as $$
begin
  if g.first is null then
    delete from memcacheq.held where queue = m.queue and number = g.number;
    return memcacheq.counted(m, 'a', -1);
  end if;
  m.head := g.number + 1;
  m.line := m.line - 1;
  if g.is_last then
    m.seg := g.number + 1;
  end if;
  return m;
end $$;

-- The message has a row of its own from now on.
create function memcacheq.hold(m memcacheq.move, g memcacheq.message, p_kind "char", p_due bigint, p_since bigint,
  p_server int default null, p_consumer bigint default null, p_client text default null, p_early bigint default null)
returns memcacheq.move language plpgsql as $$
begin
  insert into memcacheq.held values (m.queue, g.number, p_kind, g.flags, g.body, g.arrived, g.expires, g.deliveries, p_due,
    p_since, p_early, p_server, p_consumer, p_client, g.origin, g.origin_number, g.reason);
  m.due := least(m.due, p_due);
  return memcacheq.counted(m, p_kind, 1);
end $$;

-- Adds a message, which was taken from its queue, to the tail of another one.
create function memcacheq.move_to(p_target int, g memcacheq.message, p_origin bytea, p_reason text) returns void language plpgsql as $$
declare
  m memcacheq.move := memcacheq.newest(p_target);
begin
  g.origin := p_origin;
  g.origin_number := g.number;
  g.reason := p_reason;
  g.number := m.tail;
  g.deliveries := 0;
  g.expires := 0;
  m.tail := m.tail + 1;
  m.bytes := m.bytes + length(g.body);
  perform memcacheq.save(memcacheq.hold(m, g, 'a', null, null));
end $$;

-- Whether a message of so many bytes is within the limits of its queue.
create function memcacheq.has_room(m memcacheq.move, p_rule jsonb, p_length int) returns boolean language sql immutable as $$
  select p_rule is null or (coalesce(m.bytes + p_length <= (p_rule ->> 'maxBytes')::bigint, true)
    and coalesce(memcacheq.messages(m) < (p_rule ->> 'maxMessages')::bigint, true))
$$;

-- When a message expires, by its own time or by its age; null: never. In a queue that its own expired messages go to they stay.
create function memcacheq.end_of(p_expires bigint, p_arrived bigint, p_rule jsonb) returns bigint language sql immutable as $$
  select case when p_rule ->> 'keeps' is null
    then least(nullif(p_expires, 0), p_arrived + (p_rule ->> 'maxAge')::bigint) end
$$;
