-- A turn of a server: all operations of a group, in order, in one transaction.

-- What a turn took out of segments, read again.
create function memcacheq.taken_again(p_took bigint[], p_rules jsonb) returns setof memcacheq.result language plpgsql as $$
declare
  s record;
  v_from int;
  v_to int;
  v_end bigint;
begin
  for i in 1..coalesce(array_length(p_took, 1), 0) by 4 loop
    for s in select first, count, ends, flags, body, arrived, expires from memcacheq.segment
      where queue = p_took[i + 1] and first < p_took[i + 3] and first + count > p_took[i + 2] order by first loop
      v_from := greatest(p_took[i + 2] - s.first, 0);
      v_to := least(p_took[i + 3] - s.first, s.count);
      v_end := memcacheq.end_of(s.expires, s.arrived, p_rules -> p_took[i + 1]::text);
      return next memcacheq.slice(p_took[i]::int, s.first, s.ends, s.flags, s.body, v_from, v_to,
        case when v_end is not null then jsonb_build_object('ttl', floor((v_end - memcacheq.now_ms()) / 1000.0)) end);
    end loop;
  end loop;
end $$;

-- The messages from place `p_from` up to `p_to` of a segment, counted from 0.
create function memcacheq.slice(p_step int, p_first bigint, p_ends int[], p_flags int[], p_body bytea, p_from int, p_to int, p_info jsonb)
returns memcacheq.result language plpgsql immutable as $$
declare
  v_start int := coalesce(p_ends[p_from], 0);
  r memcacheq.result;
begin
  r.step := p_step;
  r.number := p_first + p_from;
  r.ends := v_start || p_ends[p_from + 1:p_to];
  r.flags := p_flags[p_from + 1:p_to];
  r.body := substr(p_body, v_start + 1, p_ends[p_to] - v_start);
  r.info := p_info;
  return r;
end $$;

-- Which servers wait for messages of these queues, that can be taken now: they are told, and wait no longer.
create function memcacheq.woken(p_queues int[], p_now bigint) returns jsonb language plpgsql as $$
declare
  v_queue int;
  m memcacheq.move;
  v_all jsonb := '[]';
begin
  for v_queue in select distinct queue from memcacheq.waiting where queue = any (p_queues) loop
    m := memcacheq.newest(v_queue);
    if m.line + m.ready > 0 and not memcacheq.is_paused(m, p_now) then
      with gone as (delete from memcacheq.waiting where queue = v_queue returning server)
        select v_all || coalesce(jsonb_agg(jsonb_build_array(server, v_queue)), '[]') into v_all from gone;
    end if;
  end loop;
  return v_all;
end $$;

-- p_session: as the connection was given it, so that a pool that gives transactions other connections is noticed
-- p_queues: ids of all queues that the turn uses, ascending
-- p_kinds, p_of, p_counts: the steps: 1 adds a segment, 2 takes so many messages, 3 is single operation number so many (from 0)
-- p_ends, p_flags: of the bodies of all segments; p_bodies: those bodies, and those of single operations
-- p_expires: of each step; p_most: bytes that are taken
-- p_awaited: queues that this server waits for
create function memcacheq.turn(p_session text, p_server int, p_no bigint, p_queues int[], p_kinds int[], p_of int[], p_counts int[],
  p_ends int[], p_flags int[], p_bodies bytea, p_expires bigint[], p_most int, p_singles jsonb, p_rules jsonb, p_awaited int[])
returns setof memcacheq.result language plpgsql as $$
declare
  c memcacheq.context;
  m memcacheq.move;               -- of queue v_queue; saved when v_dirty is false
  g memcacheq.message;
  s record;
  r memcacheq.result;
  v_last memcacheq.turn;
  v_queue int := 0;
  v_dirty boolean := false;
  v_segs bigint[] := '{}';        -- of each queue before the turn
  v_at int := 0;                  -- how many of p_ends are used
  v_start int := 0;               -- how many bytes of p_bodies
  v_left int;
  v_bytes int;
  v_taken int := 0;
  v_head bigint;
  v_before text := 'done';
  v_op jsonb;
  v_rule jsonb;
  v_end bigint;
  v_kept memcacheq.result[] := '{}';
  v_took bigint[] := '{}';
  v_spent bigint[] := '{}';
  v_flushed int[] := '{}';
  v_begun bigint := 0;            -- bytes in all queues of the turn before it, and behind it
  v_bytes_now bigint := 0;
  v_done int := 0;
begin
  if current_setting('memcacheq.session', true) is distinct from p_session then
    raise exception using errcode = 'MQ003', message = 'another session';
  end if;
  perform pg_advisory_xact_lock(22202, p_server);
  select t.* into v_last from memcacheq.server here
    left join lateral (select * from memcacheq.turn where server = p_server order by no desc limit 1) t on true
    where here.id = p_server and not here.gone;
  if not found then
    raise exception using errcode = 'MQ004', message = 'the server was given up';
  end if;
  if v_last.no >= p_no then
    if v_last.no > p_no then
      raise exception using errcode = 'MQ005', message = 'the turn is over';
    end if;
    return query select * from unnest(v_last.kept);
    return query select * from memcacheq.taken_again(v_last.took, p_rules);
    return;
  end if;
  foreach v_queue in array p_queues loop
    perform pg_advisory_xact_lock(22201, v_queue);
  end loop;
  foreach v_queue in array p_queues loop
    select * into m from memcacheq.move where queue = v_queue order by n desc limit 1;
    if m.queue is null then
      raise exception using errcode = 'MQ002', message = v_queue::text;
    end if;
    v_segs := v_segs || m.seg;
    v_begun := v_begun + m.bytes;
  end loop;
  -- The last one is at hand already.
  v_queue := coalesce(m.queue, 0);
  -- What the turn before used up was told: nobody asks for it again.
  for i in 1..coalesce(array_length(v_last.spent, 1), 0) by 3 loop
    delete from memcacheq.segment where queue = v_last.spent[i] and first >= v_last.spent[i + 1] and first < v_last.spent[i + 2];
  end loop;
  c.server := p_server;
  c.now := memcacheq.now_ms();
  c.queues := p_queues;
  c.rules := p_rules;
  if p_rules ? 'all' then
    c.rules := jsonb_set(p_rules, '{all,begun}', to_jsonb(v_begun));
  end if;
  for i in 1..coalesce(array_length(p_kinds, 1), 0) loop
    if p_kinds[i] = 3 or p_of[i] <> v_queue then
      if v_dirty then
        m := memcacheq.save(m);
        v_dirty := false;
      end if;
      if p_kinds[i] <> 3 then
        v_queue := p_of[i];
        select * into m from memcacheq.move where queue = v_queue order by n desc limit 1;
      else
        v_queue := 0;
      end if;
    end if;
    r := null;
    r.step := i;
    if p_kinds[i] = 1 then
      v_bytes := p_ends[v_at + p_counts[i]];
      v_rule := p_rules -> v_queue::text;
      -- Where all of them may not fit, they are added one by one.
      if v_rule is not null and (m.bytes + v_bytes > (v_rule ->> 'maxBytes')::bigint
        or memcacheq.messages(m) + p_counts[i] > (v_rule ->> 'maxMessages')::bigint) then
        raise exception using errcode = 'MQ006', message = 'a limit is near';
      end if;
      insert into memcacheq.segment values (v_queue, m.tail, p_counts[i], p_ends[v_at + 1:v_at + p_counts[i]],
        p_flags[v_at + 1:v_at + p_counts[i]], substr(p_bodies, v_start + 1, v_bytes), c.now, p_expires[i]);
      v_at := v_at + p_counts[i];
      v_start := v_start + v_bytes;
      r.number := m.tail;
      m.tail := m.tail + p_counts[i];
      m.line := m.line + p_counts[i];
      m.bytes := m.bytes + v_bytes;
      v_dirty := true;
      v_kept := v_kept || r;
      return next r;
    elsif p_kinds[i] = 2 then
      v_left := p_counts[i];
      v_rule := p_rules -> v_queue::text;
      if m.due <= c.now then
        if v_dirty then
          m := memcacheq.save(m);
          v_dirty := false;
        end if;
        m := memcacheq.ripen(c, v_queue);
      end if;
      if memcacheq.is_paused(m, c.now) then
        v_left := 0;
      end if;
      v_head := m.head;
      -- Held messages may come first.
      while v_left > 0 and m.ready > 0 and (v_taken < p_most or v_taken = 0) loop
        g := memcacheq.oldest(m);
        v_end := memcacheq.end_of(g.expires, g.arrived, v_rule);
        if v_end <= c.now then
          m := memcacheq.expire(c, m, g);
          continue;
        end if;
        exit when v_taken > 0 and v_taken + length(g.body) > p_most;
        r := memcacheq.shown(c, v_queue, g, g.number, g.deliveries);
        r.step := i;
        r.outcome := null;
        v_kept := v_kept || r;
        return next r;
        m := memcacheq.passed(m, g);
        m.bytes := m.bytes - length(g.body);
        m.waited := greatest(c.now - g.arrived, 0);
        v_taken := v_taken + length(g.body);
        v_left := v_left - 1;
        v_dirty := true;
        v_head := m.head;
      end loop;
      while v_left > 0 and m.line > 0 and m.ready = 0 and (v_taken < p_most or v_taken = 0) loop
        for s in select first, count, ends, flags, body, arrived, expires from memcacheq.segment
          where queue = v_queue and first >= m.seg order by first limit v_left loop
          declare
            v_from int := greatest(m.head - s.first, 0);
            v_to int := least(greatest(m.head - s.first, 0) + v_left, s.count);
            v_before_bytes int := coalesce(s.ends[greatest(m.head - s.first, 0)], 0);
          begin
            v_end := memcacheq.end_of(s.expires, s.arrived, v_rule);
            if v_end <= c.now then
              v_left := -v_left;
              exit;
            end if;
            while v_to > v_from and s.ends[v_to] - v_before_bytes + v_taken > p_most and (v_to > v_from + 1 or v_taken > 0) loop
              v_to := v_to - 1;
            end loop;
            if v_to = v_from then
              v_taken := p_most;
              exit;
            end if;
            r := memcacheq.slice(i, s.first, s.ends, s.flags, s.body, v_from, v_to,
              case when v_end is not null then jsonb_build_object('ttl', floor((v_end - c.now) / 1000.0)) end);
            return next r;
            -- The server that takes the rest deletes the segment: it could not be read again.
            if v_to < s.count then
              v_kept := v_kept || r;
              if s.first + v_from > v_head then
                v_took := v_took || array[i, v_queue, v_head, s.first + v_from];
              end if;
              v_head := s.first + v_to;
            end if;
            v_bytes := s.ends[v_to] - v_before_bytes;
            v_taken := v_taken + v_bytes;
            v_left := v_left - (v_to - v_from);
            m.bytes := m.bytes - v_bytes;
            m.line := m.line - (v_to - v_from);
            m.head := s.first + v_to;
            m.waited := greatest(c.now - s.arrived, 0);
            if v_to = s.count then
              m.seg := m.head;
            end if;
            v_dirty := true;
          end;
          exit when v_left = 0 or v_taken >= p_most;
        end loop;
        -- The rest of an expired segment goes, one message after the other.
        if v_left < 0 then
          v_left := -v_left;
          if m.head > v_head then
            v_took := v_took || array[i, v_queue, v_head, m.head];
          end if;
          loop
            m := memcacheq.expire(c, m, memcacheq.first_in_line(m));
            exit when m.line = 0 or m.head >= s.first + s.count;
          end loop;
          v_dirty := false;
          v_head := m.head;
        end if;
      end loop;
      if m.head > v_head then
        v_took := v_took || array[i, v_queue, v_head, m.head];
      end if;
      if v_left > 0 and m.line + m.ready > 0 and not memcacheq.is_paused(m, c.now) then
        -- Enough was taken: what stands behind is for the next turn.
        v_done := i;
        exit;
      end if;
    else
      v_op := p_singles -> p_counts[i];
      v_start := (v_op ->> 'start')::int + (v_op ->> 'length')::int;
      if v_op ? 'chained' and (v_before in ('failed', 'skipped', 'held', 'too large')
        or v_before = 'done' and v_op ? 'alternative') then
        r.outcome := 'skipped';
      else
        if v_op ? 'left' and r.info is null then
          -- Room of the same reply that operations before it in this turn have used.
          v_op := v_op || jsonb_build_object('left', (v_op ->> 'left')::bigint - coalesce((
            select sum((k.info ->> 'used')::bigint) from unnest(v_kept) k where k.info ->> 'room' = v_op ->> 'room'), 0));
        end if;
        if v_taken > 0 then
          v_op := v_op || jsonb_build_object('most', greatest(p_most - v_taken, 0));
        end if;
        r := memcacheq.single(c, v_op, substr(p_bodies, (v_op ->> 'start')::int + 1, (v_op ->> 'length')::int));
        r.step := i;
        if r.body is not null then
          v_taken := v_taken + length(r.body);
          if v_op ? 'left' then
            r.info := r.info || jsonb_build_object('room', v_op ->> 'room', 'used', (v_op ->> 'besides')::int + length(r.body)
              + length((r.flags[1]::bigint & 4294967295)::text || length(r.body)::text || r.number::bigint::text));
          end if;
        end if;
      end if;
      if v_op ->> 'k' = 'flush' then
        -- Its segments are garbage, which may be very much.
        v_flushed := v_flushed || (v_op ->> 'q')::int;
      end if;
      v_before := r.outcome;
      v_kept := v_kept || r;
      return next r;
      if r.outcome = 'postponed' then
        v_done := i;
        exit;
      end if;
    end if;
  end loop;
  if v_dirty then
    perform memcacheq.save(m);
  end if;
  for i in 1..coalesce(array_length(p_queues, 1), 0) loop
    if m.queue is distinct from p_queues[i] or v_queue = 0 then
      select * into m from memcacheq.move where queue = p_queues[i] order by n desc limit 1;
    end if;
    v_bytes_now := v_bytes_now + coalesce(m.bytes, 0);
    if m.seg > v_segs[i] and m.queue <> all (v_flushed) then
      v_spent := v_spent || array[m.queue, v_segs[i], m.seg];
    end if;
  end loop;
  r := null;
  r.step := 0;
  r.number := v_done;
  if v_bytes_now <> v_begun then
    r.info := jsonb_build_object('bytes', v_bytes_now - v_begun);
  end if;
  if exists (select from memcacheq.waiting where queue = any (p_queues)) then
    r.info := coalesce(r.info, '{}') || jsonb_build_object('woken', memcacheq.woken(p_queues, c.now));
  end if;
  if array_length(p_awaited, 1) > 0 then
    r.info := coalesce(r.info, '{}') || jsonb_build_object('available', (
      select jsonb_agg(jsonb_build_array(queue, line + ready)) from unnest(p_awaited) a, memcacheq.newest(a) x
      where not memcacheq.is_paused(x, c.now) and line + ready > 0));
  end if;
  v_kept := v_kept || r;
  return next r;
  insert into memcacheq.turn values (p_server, p_no, v_kept, v_took, v_spent);
  if p_no % 256 = 0 then
    delete from memcacheq.turn where server = p_server and no between p_no - 1024 and p_no - 2;
  end if;
end $$;
