-- What becomes of messages that were delivered and not acknowledged, or not in time.

-- A delivery is told by a number that no other one of the message has: above its 43 bits how often it was delivered before.
create function memcacheq.told(p_number bigint, p_earlier int) returns bigint language sql immutable as
$$ select p_number + (p_earlier % 1024) * 8796093022208 $$;

-- The message that is held so, and by that delivery; null when it is over.
create function memcacheq.held_by(p_queue int, p_told bigint, p_kind "char") returns memcacheq.held language sql volatile as $$
  select h from memcacheq.held h where queue = p_queue and number = p_told % 8796093022208 and kind = p_kind
    and deliveries % 1024 = p_told / 8796093022208
$$;

-- What the consumer has open; null when it is nothing.
create function memcacheq.opened_by(p_queue int, p_server int, p_consumer bigint) returns memcacheq.held language sql volatile as
$$ select h from memcacheq.held h where queue = p_queue and server = p_server and consumer = p_consumer and kind = 'o' limit 1 $$;

-- A held message is gone.
create function memcacheq.drop_held(h memcacheq.held) returns void language plpgsql as $$
declare
  m memcacheq.move := memcacheq.newest(h.queue);
begin
  delete from memcacheq.held where queue = h.queue and number = h.number;
  m := memcacheq.counted(m, h.kind, -1);
  m.bytes := m.bytes - length(h.body);
  perform memcacheq.save(m);
end $$;

-- A held message can be delivered again, at once or when it is due, after so many deliveries.
create function memcacheq.put_back(h memcacheq.held, p_deliveries int, p_due bigint default null) returns void language plpgsql as $$
declare
  m memcacheq.move := memcacheq.newest(h.queue);
  v_kind "char" := case when p_due is null then 'a' else 'd' end;
begin
  update memcacheq.held set kind = v_kind, deliveries = p_deliveries, due = p_due, since = null, early = null, server = null,
    consumer = null, client = null where queue = h.queue and number = h.number;
  m := memcacheq.counted(memcacheq.counted(m, h.kind, -1), v_kind, 1);
  m.due := least(m.due, p_due);
  perform memcacheq.save(m);
end $$;

-- The message goes to the dead letters: false when it has no place there.
create function memcacheq.bury(c memcacheq.context, h memcacheq.held, p_reason text) returns boolean language plpgsql as $$
declare
  v_name bytea := memcacheq.name_of(h.queue);
  v_dead bytea := coalesce(decode(c.rules -> h.queue::text ->> 'dead', 'hex'), v_name || '.dead'::bytea);
  v_target int;
  m memcacheq.move;
begin
  if v_dead = v_name or length(v_dead) > 250 or coalesce(h.reason in ('deliveries', 'dead'), false) then
    return false;
  end if;
  v_target := memcacheq.other(c, v_dead);
  perform memcacheq.drop_held(h);
  m := memcacheq.tallied(memcacheq.newest(h.queue), 5);
  perform memcacheq.save(m);
  perform memcacheq.move_to(v_target, memcacheq.held_message(h), v_name, p_reason);
  return true;
end $$;

-- The delivery was in vain: the message is back, at once or after a pause (null: as the queue's settings say), or dead.
create function memcacheq.give_back(c memcacheq.context, h memcacheq.held, p_pause bigint) returns void language plpgsql as $$
declare
  v_rule jsonb := c.rules -> h.queue::text;
  v_deliveries int := h.deliveries + 1;
  v_pause bigint := p_pause;
begin
  if p_pause is null and h.early is not null then
    perform memcacheq.put_back(h, h.deliveries, case when h.early > c.now then h.early end);
    return;
  end if;
  if coalesce(v_deliveries >= (v_rule ->> 'deliveries')::bigint, false) and memcacheq.bury(c, h, 'deliveries') then
    return;
  end if;
  if v_pause is null then
    v_pause := coalesce(least((v_rule ->> 'maxRetry')::float8, (v_rule ->> 'retry')::float8 * 2.0 ^ least(v_deliveries - 1, 40)), 0)::bigint;
  end if;
  perform memcacheq.put_back(h, v_deliveries, case when v_pause > 0 then c.now + v_pause end);
end $$;

-- Messages of the queue whose delay or lease is over can be delivered again.
create function memcacheq.ripen(c memcacheq.context, p_queue int) returns memcacheq.move language plpgsql as $$
declare
  m memcacheq.move := memcacheq.newest(p_queue);
  h memcacheq.held;
  v_ripe int;
begin
  if m.due is null or m.due > c.now then
    return m;
  end if;
  with ripe as (
    update memcacheq.held set kind = 'a', due = null where queue = p_queue and kind = 'd' and number in (
      select number from memcacheq.held where queue = p_queue and due <= c.now and kind = 'd' order by due limit 1000)
    returning 1
  ) select count(*) into v_ripe from ripe;
  m := memcacheq.counted(memcacheq.counted(m, 'd', -v_ripe), 'a', v_ripe);
  m := memcacheq.save(m);
  for h in select * from memcacheq.held where queue = p_queue and due <= c.now and kind = 'l' order by due limit 256 loop
    perform memcacheq.give_back(c, h, null);
  end loop;
  m := memcacheq.newest(p_queue);
  m.due := (select min(due) from memcacheq.held where queue = p_queue and due is not null);
  return memcacheq.save(m);
end $$;

-- The oldest message, which has expired, is gone, or in the queue for such.
create function memcacheq.expire(c memcacheq.context, m memcacheq.move, g memcacheq.message) returns memcacheq.move language plpgsql as $$
declare
  v_to text := c.rules -> m.queue::text ->> 'expireTo';
  v_target int := case when v_to is not null then memcacheq.other(c, decode(v_to, 'hex')) end;
begin
  m := memcacheq.tallied(memcacheq.passed(m, g), 2);
  m.bytes := m.bytes - length(g.body);
  m := memcacheq.save(m);
  if v_target is not null then
    perform memcacheq.move_to(v_target, g, memcacheq.name_of(m.queue), 'expired');
  end if;
  return m;
end $$;

-- Takes expired messages away, from the oldest one on, up to so many. Returns how many.
create function memcacheq.sweep(c memcacheq.context, p_queue int, p_most int) returns int language plpgsql as $$
declare
  v_rule jsonb := c.rules -> p_queue::text;
  m memcacheq.move := memcacheq.ripen(c, p_queue);
  g memcacheq.message;
  v_swept int := 0;
begin
  while v_swept < p_most and m.line + m.ready > 0 and not memcacheq.is_paused(m, c.now) loop
    g := memcacheq.oldest(m);
    exit when coalesce(memcacheq.end_of(g.expires, g.arrived, v_rule) > c.now, true);
    m := memcacheq.expire(c, m, g);
    v_swept := v_swept + 1;
  end loop;
  return v_swept;
end $$;

-- Bytes that are left of the limit for all queues, where it is near: the turn began with so many, and what it did counts. Null: enough.
create function memcacheq.left_in_all(c memcacheq.context) returns bigint language sql volatile as $$
  select case when c.rules ? 'all' then (c.rules -> 'all' ->> 'left')::bigint + (c.rules -> 'all' ->> 'begun')::bigint
    - (select coalesce(sum(m.bytes), 0)::bigint from unnest(c.queues) q, memcacheq.newest(q) m) end
$$;

-- Drops the oldest messages, as far as they can be taken, until there is room for so many bytes: 'made', 'partly' or 'none'.
create function memcacheq.make_room(c memcacheq.context, p_queue int, p_length int) returns text language plpgsql as $$
declare
  v_rule jsonb := c.rules -> p_queue::text;
  m memcacheq.move := memcacheq.newest(p_queue);
  g memcacheq.message;
  v_kept bigint;
  v_all bigint := memcacheq.left_in_all(c) + m.bytes;    -- what this queue may have, so that all have not too much
begin
  if m.open + m.leased + m.delayed >= (v_rule ->> 'maxMessages')::bigint then
    return 'none';
  end if;
  select coalesce(sum(length(body)), 0) into v_kept from memcacheq.held where queue = p_queue and kind <> 'a';
  if v_kept + p_length > least((v_rule ->> 'maxBytes')::bigint, v_all) then
    return 'none';
  end if;
  for n in 1..1000 loop
    if memcacheq.has_room(m, v_rule, p_length) and coalesce(m.bytes + p_length <= v_all, true) then
      perform memcacheq.save(m);
      return 'made';
    end if;
    exit when m.line + m.ready = 0;
    g := memcacheq.oldest(m);
    m := memcacheq.tallied(memcacheq.passed(m, g), 1);
    m.bytes := m.bytes - length(g.body);
  end loop;
  perform memcacheq.save(m);
  return case when m.line + m.ready = 0 then 'none' else 'partly' end;
end $$;
