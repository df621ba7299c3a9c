-- Single operations. `o` has what the operation says, in keys as operations.ts makes them; `q` is its queue, null when there is none.

create function memcacheq.answer(p_outcome text, p_info jsonb default null) returns memcacheq.result language sql immutable as
$$ select row(null, p_outcome, null, null, null, null, p_info)::memcacheq.result $$;

-- The message as an operation's result. `p_number` is the one that it is told by.
create function memcacheq.shown(c memcacheq.context, p_queue int, g memcacheq.message, p_number bigint, p_deliveries int, p_due bigint default null)
returns memcacheq.result language plpgsql as $$
declare
  v_end bigint := memcacheq.end_of(g.expires, g.arrived, c.rules -> p_queue::text);
begin
  return row(null, 'done', p_number, array[0, length(g.body)], array[g.flags], g.body, jsonb_build_object('deliveries', p_deliveries,
    'ttl', coalesce(floor((v_end - c.now) / 1000.0), -1), 'dueIn', greatest(coalesce(p_due - c.now, 0), 0)))::memcacheq.result;
end $$;

-- Whether the reply has room for the message: null when it has, or the outcome.
create function memcacheq.misfit(o jsonb, g memcacheq.message, p_told bigint) returns text language plpgsql immutable as $$
declare
  v_length int := length(g.body);
  v_flags bigint := case when g.flags < 0 then g.flags + 4294967296 else g.flags end;
begin
  if (o ->> 'besides')::int + v_length + length(v_flags::text || v_length::text || p_told::text) > (o ->> 'left')::bigint then
    return 'too large';
  end if;
  return case when v_length > (o ->> 'most')::bigint then 'postponed' end;
end $$;

create function memcacheq.no_room(p_target int) returns memcacheq.result language sql stable as $$
  select memcacheq.answer('failed', jsonb_build_object('error',
    'a limit of queue ' || convert_from(memcacheq.name_of(p_target), 'LATIN1') || ' is reached, and nothing was moved'))
$$;

-- Whether the target of a move takes the message.
create function memcacheq.takes(c memcacheq.context, p_from int, p_target int, p_length int) returns boolean language sql volatile as $$
  select p_from = p_target or memcacheq.has_room(memcacheq.newest(p_target), c.rules -> p_target::text, p_length)
$$;

-- The oldest message that can be delivered and has not expired; its number is -1 when very many have expired.
create function memcacheq.fresh(c memcacheq.context, p_queue int) returns memcacheq.message language plpgsql as $$
declare
  v_rule jsonb := c.rules -> p_queue::text;
  m memcacheq.move := memcacheq.ripen(c, p_queue);
  g memcacheq.message;
begin
  for n in 1..256 loop
    if m.line + m.ready = 0 then
      return null;
    end if;
    g := memcacheq.oldest(m);
    if coalesce(memcacheq.end_of(g.expires, g.arrived, v_rule) > c.now, true) then
      return g;
    end if;
    m := memcacheq.expire(c, m, g);
  end loop;
  g.number := -1;
  return g;
end $$;

-- peek of leased messages
create function memcacheq.peek_leased(c memcacheq.context, o jsonb) returns memcacheq.result language plpgsql as $$
declare
  v_queue int := (o ->> 'q')::int;
  v_bad text;
  v_told bigint;
  h memcacheq.held;
  r memcacheq.result;
begin
  perform memcacheq.ripen(c, v_queue);
  select * into h from memcacheq.held where queue = v_queue and kind = 'l' order by number limit 1;
  if not found then
    return memcacheq.answer('absent');
  end if;
  v_told := memcacheq.told(h.number, h.deliveries);
  v_bad := memcacheq.misfit(o, memcacheq.held_message(h), v_told);
  if v_bad is not null then
    return memcacheq.answer(v_bad);
  end if;
  r := memcacheq.shown(c, v_queue, memcacheq.held_message(h), v_told, h.deliveries + 1, h.due);
  r.info := jsonb_set(r.info, '{ttl}', '-1');
  return r;
end $$;

-- take, open, lease, move, peek
create function memcacheq.deliver(c memcacheq.context, o jsonb) returns memcacheq.result language plpgsql as $$
declare
  v_kind text := o ->> 'k';
  v_queue int := (o ->> 'q')::int;
  v_target int;
  v_told bigint;
  v_bad text;
  v_due bigint;
  m memcacheq.move := memcacheq.newest(v_queue);
  h memcacheq.held;
  g memcacheq.message;
begin
  if v_kind = 'open' and (memcacheq.opened_by(v_queue, c.server, (o ->> 'c')::bigint)).queue is not null then
    return memcacheq.answer('held');
  end if;
  if v_kind <> 'peek' and memcacheq.is_paused(m, c.now) then
    return memcacheq.answer('absent');
  end if;
  g := memcacheq.fresh(c, v_queue);
  if o ->> 'scope' = 'early' then
    select * into h from memcacheq.held where queue = v_queue and kind = 'd' order by number limit 1;
    if found and (g.number is null or h.number < g.number) then
      g := memcacheq.held_message(h);
      v_due := h.due;
    end if;
  end if;
  if g.number is null or g.number < 0 then
    return memcacheq.answer(case when g.number is null then 'absent' else 'postponed' end);
  end if;
  v_told := case when v_kind = 'lease' then memcacheq.told(g.number, g.deliveries) else g.number end;
  v_bad := memcacheq.misfit(o, g, v_told);
  if v_bad is not null then
    return memcacheq.answer(v_bad);
  end if;
  if v_kind = 'peek' then
    return memcacheq.shown(c, v_queue, g, v_told, g.deliveries);
  end if;
  if v_kind = 'move' then
    v_target := memcacheq.other(c, decode(o ->> 'target', 'hex'));
    if not memcacheq.takes(c, v_queue, v_target, length(g.body)) then
      return memcacheq.no_room(v_target);
    end if;
  end if;
  m := memcacheq.newest(v_queue);
  if v_due is null then
    m := memcacheq.passed(m, g);
  else
    delete from memcacheq.held where queue = v_queue and number = g.number;
    m := memcacheq.counted(m, 'd', -1);
  end if;
  if v_kind <> 'open' then
    m.waited := greatest(c.now - g.arrived, 0);
  end if;
  if v_kind in ('open', 'lease') then
    if g.deliveries > 0 then
      m := memcacheq.tallied(m, 4);
    end if;
    if v_kind = 'open' then
      m := memcacheq.hold(m, g, 'o', null, c.now, c.server, (o ->> 'c')::bigint, o ->> 'client', v_due);
    else
      m := memcacheq.hold(m, g, 'l', c.now + (o ->> 'lease')::bigint, c.now, null, null, o ->> 'client');
    end if;
    perform memcacheq.save(m);
    return memcacheq.shown(c, v_queue, g, v_told, g.deliveries + 1, v_due);
  end if;
  m.bytes := m.bytes - length(g.body);
  perform memcacheq.save(m);
  if v_kind = 'move' then
    perform memcacheq.move_to(v_target, g, memcacheq.name_of(v_queue), 'to');
  end if;
  return memcacheq.shown(c, v_queue, g, v_told, g.deliveries);
end $$;

-- close, abort, bury, pass, check: of the message that the consumer has open
create function memcacheq.end_open(c memcacheq.context, o jsonb) returns memcacheq.result language plpgsql as $$
declare
  v_kind text := o ->> 'k';
  v_queue int := (o ->> 'q')::int;
  v_target int;
  h memcacheq.held := memcacheq.opened_by(v_queue, c.server, (o ->> 'c')::bigint);
begin
  if v_kind = 'check' then
    return memcacheq.answer(case when h.queue is null then 'done' else 'held' end);
  end if;
  if h.queue is null then
    return memcacheq.answer('absent');
  end if;
  if v_kind = 'close' then
    perform memcacheq.drop_held(h);
  elsif v_kind = 'pass' then
    v_target := memcacheq.other(c, decode(o ->> 'target', 'hex'));
    if not memcacheq.takes(c, v_queue, v_target, length(h.body)) then
      return memcacheq.no_room(v_target);
    end if;
    perform memcacheq.drop_held(h);
    perform memcacheq.move_to(v_target, memcacheq.held_message(h), memcacheq.name_of(v_queue), 'to');
  elsif v_kind = 'abort' or not memcacheq.bury(c, h, 'dead') then
    perform memcacheq.give_back(c, h, nullif((o ->> 'delay')::bigint, -1));
  end if;
  return memcacheq.answer('done');
end $$;

-- The consumer is gone: its message goes back.
create function memcacheq.release(c memcacheq.context, o jsonb) returns memcacheq.result language plpgsql as $$
declare
  h memcacheq.held := memcacheq.opened_by((o ->> 'q')::int, c.server, (o ->> 'c')::bigint);
begin
  if h.queue is null then
    return memcacheq.answer('done');
  elsif (o ->> 'inVain')::boolean then
    perform memcacheq.give_back(c, h, null);
  else
    perform memcacheq.put_back(h, h.deliveries, case when h.early > c.now then h.early end);
  end if;
  return memcacheq.answer('done');
end $$;

-- acknowledge, extend
create function memcacheq.end_lease(c memcacheq.context, o jsonb) returns memcacheq.result language plpgsql as $$
declare
  v_length bigint := (o ->> 'lease')::bigint;
  h memcacheq.held := memcacheq.held_by((o ->> 'q')::int, (o ->> 'n')::bigint, 'l');
  m memcacheq.move;
begin
  if h.queue is null then
    return memcacheq.answer('absent');
  end if;
  if o ->> 'k' = 'acknowledge' then
    perform memcacheq.drop_held(h);
  elsif v_length > 0 then
    update memcacheq.held set due = c.now + v_length where queue = h.queue and number = h.number;
    m := memcacheq.newest(h.queue);
    if m.due > c.now + v_length then
      m.due := c.now + v_length;
      perform memcacheq.save(m);
    end if;
  elsif v_length = 0 or not memcacheq.bury(c, h, 'dead') then
    perform memcacheq.give_back(c, h, null);
  end if;
  return memcacheq.answer('done');
end $$;

create function memcacheq.give_back_held(c memcacheq.context, o jsonb) returns memcacheq.result language plpgsql as $$
declare
  h memcacheq.held := memcacheq.held_by((o ->> 'q')::int, (o ->> 'n')::bigint, 'l');
begin
  if h.queue is null then
    h := memcacheq.held_by((o ->> 'q')::int, (o ->> 'n')::bigint, 'o');
  end if;
  if h.queue is null then
    return memcacheq.answer('absent');
  end if;
  perform memcacheq.give_back(c, h, null);
  return memcacheq.answer('done');
end $$;

-- What a set closes: null when it is held no longer.
create function memcacheq.source_of(c memcacheq.context, o jsonb) returns memcacheq.held language sql volatile as $$
  select case when (o ->> 'sourceNumber')::bigint > 0
    then memcacheq.held_by((o ->> 'source')::int, (o ->> 'sourceNumber')::bigint, 'l')
    else memcacheq.opened_by((o ->> 'source')::int, c.server, (o ->> 'c')::bigint) end
$$;

-- Adds a message at the tail: in a segment of its own, or held when it is delayed or was delivered before.
create function memcacheq.add(c memcacheq.context, p_queue int, o jsonb, p_body bytea, p_delay bigint, p_deliveries int) returns bigint language plpgsql as $$
declare
  m memcacheq.move := memcacheq.newest(p_queue);
  v_flags int := (o ->> 'flags')::int;
  v_expires bigint := case when c.rules -> p_queue::text ? 'reads' then (o ->> 'expires')::bigint else 0 end;
  v_number bigint := m.tail;
  g memcacheq.message;
begin
  m.tail := m.tail + 1;
  m.bytes := m.bytes + length(p_body);
  if p_delay > 0 or p_deliveries > 0 then
    g := row(v_number, v_flags, p_body, c.now, v_expires, p_deliveries, null, false, null, null, null)::memcacheq.message;
    m := memcacheq.hold(m, g, case when p_delay > 0 then 'd'::"char" else 'a' end, case when p_delay > 0 then c.now + p_delay end, null);
  else
    insert into memcacheq.segment values (p_queue, v_number, 1, array[length(p_body)],
      case when v_flags <> 0 then array[v_flags] end, p_body, c.now, v_expires);
    m.line := m.line + 1;
  end if;
  perform memcacheq.save(m);
  return v_number;
end $$;

-- A copy that there is no room for is counted.
create function memcacheq.copy_to(c memcacheq.context, p_target int, o jsonb, p_body bytea) returns void language plpgsql as $$
declare
  v_rule jsonb := c.rules -> p_target::text;
begin
  if memcacheq.has_room(memcacheq.newest(p_target), v_rule, length(p_body)) and coalesce(memcacheq.left_in_all(c) >= length(p_body), true)
    or coalesce(v_rule ? 'dropOldest', false) and memcacheq.make_room(c, p_target, length(p_body)) = 'made' then
    perform memcacheq.add(c, p_target, o, p_body, (o ->> 'delay')::bigint, 0);
  else
    perform memcacheq.save(memcacheq.tallied(memcacheq.newest(p_target), 6));
  end if;
end $$;

create function memcacheq.copy(c memcacheq.context, p_queue int, o jsonb, p_body bytea) returns void language plpgsql as $$
declare
  v_rule jsonb := c.rules -> p_queue::text;
  v_name bytea := memcacheq.name_of(p_queue);
  v_copy bytea;
begin
  for v_copy in
    select decode(value, 'hex') from jsonb_array_elements_text(v_rule -> 'copyTo')
    union
    select name from memcacheq.queue where v_rule ? 'children' and name > v_name || '+'::bytea and name < v_name || ','::bytea
  loop
    if v_copy <> v_name then
      perform memcacheq.copy_to(c, memcacheq.other(c, v_copy), o, p_body);
    end if;
  end loop;
end $$;

create function memcacheq.put(c memcacheq.context, o jsonb, p_body bytea) returns memcacheq.result language plpgsql as $$
declare
  v_queue int := (o ->> 'q')::int;
  v_rule jsonb := c.rules -> v_queue::text;
  v_source memcacheq.held := memcacheq.source_of(c, o);
  v_id bigint := (o ->> 'id')::bigint;
  v_room text;
  r memcacheq.result;
begin
  if v_id is not null and exists (
    select from memcacheq.once where queue = v_queue and id = v_id and at > c.now - (o ->> 'once')::bigint) then
    perform memcacheq.save(memcacheq.tallied(memcacheq.newest(v_queue), 3));
    if v_source.queue is not null then
      perform memcacheq.drop_held(v_source);
    end if;
    return memcacheq.answer('repeated');
  end if;
  if o ? 'source' and v_source.queue is null then
    return memcacheq.answer('unheld');
  end if;
  if not memcacheq.has_room(memcacheq.newest(v_queue), v_rule, length(p_body))
    or coalesce(memcacheq.left_in_all(c) < length(p_body), false) then
    v_room := case when coalesce(v_rule ? 'dropOldest', false) then memcacheq.make_room(c, v_queue, length(p_body)) else 'none' end;
    if v_room <> 'made' then
      return memcacheq.answer(case v_room when 'none' then 'full' else 'postponed' end);
    end if;
  end if;
  r.outcome := 'done';
  r.number := memcacheq.add(c, v_queue, o, p_body, (o ->> 'delay')::bigint, (o ->> 'brought')::int);
  if v_id is not null then
    insert into memcacheq.once values (v_queue, v_id, c.now) on conflict (queue, id) do update set at = c.now;
  end if;
  perform memcacheq.copy(c, v_queue, o, p_body);
  if v_source.queue is not null then
    perform memcacheq.drop_held(v_source);
  end if;
  return r;
end $$;
