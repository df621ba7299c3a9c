-- Operations on single messages by their number, and on whole queues.

-- Messages in front of one in line leave it, so that the one can go: false when they are too many.
create function memcacheq.reach(p_queue int, p_number bigint) returns boolean language plpgsql as $$
declare
  m memcacheq.move := memcacheq.newest(p_queue);
  g memcacheq.message;
  v_bytes bigint := 0;
begin
  for n in 1..1000 loop
    exit when m.line = 0 or v_bytes > 8 * 1024 * 1024;
    g := memcacheq.first_in_line(m);
    exit when g.number > p_number;
    v_bytes := v_bytes + length(g.body);
    m := memcacheq.hold(memcacheq.passed(m, g), g, 'a', null, null);
  end loop;
  perform memcacheq.save(m);
  return m.line = 0 or g.number >= p_number;
end $$;

create function memcacheq.remove(c memcacheq.context, o jsonb) returns memcacheq.result language plpgsql as $$
declare
  v_queue int := (o ->> 'q')::int;
  v_number bigint := (o ->> 'n')::bigint;
  m memcacheq.move := memcacheq.newest(v_queue);
  h memcacheq.held;
begin
  select * into h from memcacheq.held where queue = v_queue and number = v_number;
  if not found and v_number >= m.head and v_number < m.tail then
    if not memcacheq.reach(v_queue, v_number) then
      return memcacheq.answer('failed', jsonb_build_object('error', 'message ' || v_number || ' is behind too many others'));
    end if;
    select * into h from memcacheq.held where queue = v_queue and number = v_number;
  end if;
  if h.queue is null then
    return memcacheq.answer('absent');
  end if;
  perform memcacheq.drop_held(h);
  return memcacheq.answer('done');
end $$;

-- A message that died or expired goes back to the queue that it came from.
create function memcacheq.return_one(c memcacheq.context, h memcacheq.held) returns memcacheq.result language plpgsql as $$
declare
  v_name bytea := memcacheq.name_of(h.queue);
  v_target int;
begin
  if h.queue is null or h.kind <> 'a' or h.origin is null or h.reason = 'to' or h.origin = v_name then
    return memcacheq.answer('absent');
  end if;
  v_target := memcacheq.other(c, h.origin);
  if not memcacheq.takes(c, h.queue, v_target, length(h.body)) then
    return memcacheq.no_room(v_target);
  end if;
  perform memcacheq.drop_held(h);
  perform memcacheq.move_to(v_target, memcacheq.held_message(h), v_name, 'to');
  return memcacheq.answer('done', jsonb_build_object('target', encode(h.origin, 'hex')));
end $$;

create function memcacheq.return_message(c memcacheq.context, o jsonb) returns memcacheq.result language plpgsql as $$
declare
  h memcacheq.held;
begin
  select * into h from memcacheq.held where queue = (o ->> 'q')::int and number = (o ->> 'n')::bigint;
  return memcacheq.return_one(c, h);
end $$;

create function memcacheq.return_all(c memcacheq.context, o jsonb) returns memcacheq.result language plpgsql as $$
declare
  v_queue int := (o ->> 'q')::int;
  v_after bigint := coalesce((o ->> 'after')::bigint, 0);
  v_until bigint := coalesce((o ->> 'until')::bigint, (memcacheq.newest(v_queue)).tail);
  v_count int := 0;
  h memcacheq.held;
  r memcacheq.result;
begin
  for h in select * from memcacheq.held where queue = v_queue and kind = 'a' and number > v_after and number < v_until
    order by number limit 32 loop
    v_count := v_count + 1;
    v_after := h.number;
    r := memcacheq.return_one(c, h);
    if r.outcome = 'failed' then
      return r;
    end if;
  end loop;
  return memcacheq.answer(case when v_count < 32 then 'done' else 'more' end, jsonb_build_object('after', v_after, 'until', v_until));
end $$;

create function memcacheq.move_all(c memcacheq.context, o jsonb) returns memcacheq.result language plpgsql as $$
declare
  v_queue int := (o ->> 'q')::int;
  v_target int;
  m memcacheq.move := memcacheq.ripen(c, v_queue);
  v_left bigint := coalesce((o ->> 'left')::bigint, m.line + m.ready);
  v_bytes bigint := 0;
  g memcacheq.message;
begin
  for n in 1..64 loop
    exit when v_left = 0 or m.line + m.ready = 0 or memcacheq.is_paused(m, c.now) or v_bytes > 1024 * 1024;
    g := memcacheq.oldest(m);
    v_left := v_left - 1;
    v_bytes := v_bytes + length(g.body);
    if memcacheq.end_of(g.expires, g.arrived, c.rules -> v_queue::text) <= c.now then
      m := memcacheq.expire(c, m, g);
      continue;
    end if;
    v_target := memcacheq.other(c, decode(o ->> 'target', 'hex'));
    if not memcacheq.takes(c, v_queue, v_target, length(g.body)) then
      return memcacheq.no_room(v_target);
    end if;
    m := memcacheq.passed(m, g);
    m.bytes := m.bytes - length(g.body);
    m := memcacheq.save(m);
    perform memcacheq.move_to(v_target, g, memcacheq.name_of(v_queue), 'to');
    m := memcacheq.newest(v_queue);
  end loop;
  return memcacheq.answer(case when v_left > 0 and m.line + m.ready > 0 and not memcacheq.is_paused(m, c.now) then 'more' else 'done' end,
    jsonb_build_object('left', v_left));
end $$;

-- A message that was taken by a client that is gone comes back.
create function memcacheq.restore(c memcacheq.context, o jsonb, p_body bytea) returns memcacheq.result language plpgsql as $$
declare
  v_queue int := (o ->> 'q')::int;
  v_number bigint := (o ->> 'n')::bigint;
  m memcacheq.move := memcacheq.newest(v_queue);
begin
  if v_queue <> (o ->> 'queueId')::int or v_number >= m.head
    or exists (select from memcacheq.held where queue = v_queue and number = v_number) then
    return memcacheq.answer('done');
  end if;
  m.bytes := m.bytes + length(p_body);
  m := memcacheq.hold(m, row(v_number, (o ->> 'flags')::int, p_body, c.now, 0, (o ->> 'brought')::int, null, false, null, null, null)::memcacheq.message,
    'a', null, null);
  perform memcacheq.save(m);
  return memcacheq.answer('done');
end $$;

create function memcacheq.delete_queue(o jsonb) returns memcacheq.result language plpgsql as $$
declare
  v_queue int := (o ->> 'q')::int;
begin
  delete from memcacheq.queue where id = v_queue;
  delete from memcacheq.move where queue = v_queue;
  delete from memcacheq.waiting where queue = v_queue;
  insert into memcacheq.garbage values (v_queue, 9223372036854775807);
  return memcacheq.answer('done');
end $$;

-- Drops what is in line, available or delayed; `until`: of delayed ones only what was there when it began.
create function memcacheq.flush(c memcacheq.context, o jsonb) returns memcacheq.result language plpgsql as $$
declare
  v_queue int := (o ->> 'q')::int;
  m memcacheq.move := memcacheq.newest(v_queue);
  v_until bigint := coalesce((o ->> 'until')::bigint, m.tail);
  v_ready int;
  v_delayed int;
begin
  if memcacheq.messages(m) - m.open - m.leased = 0 then
    return memcacheq.answer('done');
  end if;
  with dropped as (
    delete from memcacheq.held where queue = v_queue and number in (
      select number from memcacheq.held where queue = v_queue and kind in ('a', 'd') and number < v_until order by number limit 10000)
    returning kind
  ) select count(*) filter (where kind = 'a'), count(*) filter (where kind = 'd') into v_ready, v_delayed from dropped;
  m := memcacheq.counted(memcacheq.counted(m, 'a', -v_ready), 'd', -v_delayed);
  if not o ? 'until' then
    insert into memcacheq.garbage values (v_queue, m.tail);
    m.line := 0;
    m.head := m.tail;
    m.seg := m.tail;
  end if;
  m.bytes := (select coalesce(sum(length(body)), 0) from memcacheq.held where queue = v_queue)
    + (select coalesce(sum(ends[count] - case when first < m.head then ends[m.head - first] else 0 end), 0)
       from memcacheq.segment where queue = v_queue and first >= m.seg);
  perform memcacheq.save(m);
  return memcacheq.answer(case when v_ready + v_delayed = 10000 then 'more' else 'done' end, jsonb_build_object('until', v_until));
end $$;

-- `until`: milliseconds from now, 0 until it is resumed, null: it is resumed.
create function memcacheq.pause(c memcacheq.context, o jsonb) returns memcacheq.result language plpgsql as $$
declare
  m memcacheq.move := memcacheq.newest((o ->> 'q')::int);
  v_until bigint := (o ->> 'until')::bigint;
begin
  m.paused := case when v_until = 0 then 0 else c.now + v_until end;
  perform memcacheq.save(m);
  return memcacheq.answer('done');
end $$;

-- One operation of a turn.
create function memcacheq.single(c memcacheq.context, o jsonb, p_body bytea) returns memcacheq.result language plpgsql as $$
declare
  v_kind text := o ->> 'k';
  v_queue int := (o ->> 'q')::int;
begin
  if v_kind = 'list' then
    return memcacheq.answer('done', memcacheq.listed((o ->> 'after')::int, (o ->> 'most')::int, o ? 'totals'));
  elsif v_queue is null and v_kind = 'put' then
    -- Its queue is made when there is a message that it closes.
    if (memcacheq.source_of(c, o)).queue is not null then
      perform memcacheq.other(c, decode(o ->> 'name', 'hex'));
    end if;
    return memcacheq.answer('unheld');
  elsif v_queue is null or (memcacheq.newest(v_queue)).queue is null then
    return memcacheq.answer(o ->> 'absent');
  end if;
  case v_kind
    when 'put' then return memcacheq.put(c, o, p_body);
    when 'take', 'open', 'lease', 'move' then return memcacheq.deliver(c, o);
    when 'peek' then
      return case when o ->> 'scope' = 'leased' then memcacheq.peek_leased(c, o) else memcacheq.deliver(c, o) end;
    when 'close', 'abort', 'bury', 'pass', 'check' then return memcacheq.end_open(c, o);
    when 'release' then return memcacheq.release(c, o);
    when 'acknowledge', 'extend' then return memcacheq.end_lease(c, o);
    when 'give back' then return memcacheq.give_back_held(c, o);
    when 'remove' then return memcacheq.remove(c, o);
    when 'return' then return memcacheq.return_message(c, o);
    when 'return all' then return memcacheq.return_all(c, o);
    when 'move all' then return memcacheq.move_all(c, o);
    when 'restore' then return memcacheq.restore(c, o, p_body);
    when 'delete' then return memcacheq.delete_queue(o);
    when 'flush' then return memcacheq.flush(c, o);
    when 'expire' then return memcacheq.answer('done', jsonb_build_object('expired', memcacheq.sweep(c, v_queue, 256)));
    when 'ripen' then perform memcacheq.ripen(c, v_queue); return memcacheq.answer('done');
    when 'pause', 'resume' then return memcacheq.pause(c, o);
    when 'details' then return memcacheq.answer('done', memcacheq.summary(v_queue, c.now));
  end case;
end $$;
