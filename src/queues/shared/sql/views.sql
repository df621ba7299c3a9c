-- What is told of queues.

-- A queue at a glance. In PL/pgSQL, which keeps its plans: there may be very many queues.
create function memcacheq.summary(p_queue int, p_now bigint) returns jsonb language plpgsql stable as $$
declare
  v_name bytea;
  v_number bigint;
  v_arrived bigint;
  v_open bigint;
  v_first bigint;
  v_later bigint;
  m memcacheq.move;
begin
  select name into v_name from memcacheq.queue where id = p_queue;
  select * into m from memcacheq.move where queue = p_queue order by n desc limit 1;
  if v_name is null or m.queue is null then
    return null;
  end if;
  -- When the oldest message was set, open ones too.
  if m.ready + m.open > 0 then
    select number, arrived into v_number, v_arrived from memcacheq.held where queue = p_queue and kind in ('a', 'o') order by number limit 1;
  end if;
  if m.open > 0 then
    select min(since) into v_open from memcacheq.held where queue = p_queue and kind = 'o';
  end if;
  if m.line > 0 then
    select greatest(first, m.head), arrived into v_first, v_later from memcacheq.segment where queue = p_queue and first >= m.seg order by first limit 1;
    if v_number is null or v_first < v_number then
      v_arrived := v_later;
    end if;
  end if;
  return jsonb_build_object('id', m.queue, 'name', encode(v_name, 'hex'), 'messages', m.line + m.ready + m.open + m.leased + m.delayed,
    'bytes', m.bytes, 'open', m.open, 'openMs', p_now - v_open, 'delayed', m.delayed, 'leased', m.leased,
    'arrived', coalesce(v_arrived, 0), 'sets', m.tail - 1, 'paused', case when m.paused = 0 then 0 else m.paused - p_now end,
    'waited', m.waited, 'tally', m.tally, 'now', p_now);
end $$;

-- Over all queues.
create function memcacheq.totals() returns jsonb language sql stable as $$
  select jsonb_build_object('queues', count(*), 'bytes', coalesce(sum(m.bytes), 0),
    'messages', coalesce(sum(m.line + m.ready + m.open + m.leased + m.delayed), 0), 'sets', coalesce(sum(m.tail - 1), 0))
  from memcacheq.queue q, lateral (select * from memcacheq.move where queue = q.id order by n desc limit 1) m
$$;

-- Summaries of the queues behind an id, and the totals, where they are asked for.
create function memcacheq.listed(p_after int, p_most int, p_totals boolean) returns jsonb language sql stable as $$
  select jsonb_build_object('queues', coalesce(jsonb_agg(memcacheq.summary(id, memcacheq.now_ms()) order by id), '[]'),
    'totals', case when p_totals then memcacheq.totals() end)
  from (select id from memcacheq.queue where id > p_after order by id limit p_most) q
$$;

-- The oldest messages behind a number, held ones too, and of each body so many bytes.
create function memcacheq.previews(p_queue int, p_messages int, p_bytes int, p_after bigint)
returns table (number float8, flags int, length int, body bytea, arrived float8, kind text, due float8, deliveries int, origin bytea, origin_number float8, reason text)
language sql stable as $$
  select * from (
    (select h.number::float8, h.flags, length(h.body), substr(h.body, 1, p_bytes), h.arrived::float8, h.kind::text,
       case when h.kind = 'd' then (h.due - memcacheq.now_ms())::float8 end, h.deliveries + case when h.kind = 'l' then 1 else 0 end, h.origin, h.origin_number::float8, h.reason
     from memcacheq.held h where queue = p_queue and h.number > p_after order by h.number limit p_messages)
    union all
    (select (s.first + i - 1)::float8, coalesce(s.flags[i], 0), s.ends[i] - coalesce(s.ends[i - 1], 0),
       substr(s.body, coalesce(s.ends[i - 1], 0) + 1, least(p_bytes, s.ends[i] - coalesce(s.ends[i - 1], 0))), s.arrived::float8, '', null, 0, null, null, null
     from memcacheq.newest(p_queue) m,
       lateral (select * from memcacheq.segment where queue = p_queue and first >= m.seg and first + count > p_after + 1
         order by first limit p_messages) s,
       lateral generate_series(1, s.count) i
     where s.first + i - 1 >= greatest(m.head, p_after + 1) and m.line > 0 order by 1 limit p_messages)
  ) x order by 1 limit p_messages
$$;

-- Open and leased messages, those that were delivered first in front, and delayed ones, the oldest in front; times in milliseconds from now.
create function memcacheq.held_messages(p_queue int, p_most int)
returns table (kind text, number float8, told float8, deliveries int, length int, client text, ms float8) language sql stable as $$
  select 'o', number::float8, memcacheq.told(number, deliveries)::float8, deliveries + 1, length(body), client, (since - memcacheq.now_ms())::float8
  from (select * from memcacheq.held where queue = p_queue and kind = 'o' order by since, number limit p_most) h
  union all
  select 'l', number::float8, memcacheq.told(number, deliveries)::float8, deliveries + 1, length(body), client, (due - memcacheq.now_ms())::float8
  from (select * from memcacheq.held where queue = p_queue and kind = 'l' order by since, number limit p_most) h
  union all
  select 'd', number::float8, 0, deliveries, 0, null, (due - memcacheq.now_ms())::float8
  from (select * from memcacheq.held where queue = p_queue and kind = 'd' order by number limit p_most) h
$$;
