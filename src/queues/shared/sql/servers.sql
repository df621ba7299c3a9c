-- Servers, those that wait, and what is done now and then.

create function memcacheq.join(p_version text, p_rules text) returns int language sql as
$$ insert into memcacheq.server (beat, version, rules) values (clock_timestamp(), p_version, p_rules) returning id $$;

-- Makes the queues of these names that are missing. Tells which servers wait for new queues: [[server, 0], …]
create function memcacheq.make(p_names bytea[]) returns jsonb language plpgsql as $$
declare
  v_name bytea;
  v_id int;
  v_woken jsonb := '[]';
begin
  -- Queues are listed in the order in which they were made.
  perform pg_advisory_xact_lock(22203, 2);
  foreach v_name in array p_names loop
    v_id := null;
    insert into memcacheq.queue (name) values (v_name) on conflict (name) do nothing returning id into v_id;
    if v_id is not null then
      insert into memcacheq.move values (v_id, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, null, null, 0, null);
    end if;
  end loop;
  with gone as (delete from memcacheq.waiting where queue = 0 returning server)
    select coalesce(jsonb_agg(jsonb_build_array(server, 0)), '[]') into v_woken from gone;
  return v_woken;
end $$;

-- The ids of the queues of these names; null: there is none.
create function memcacheq.find(p_names bytea[]) returns int[] language sql stable as $$
  select array_agg(q.id order by n.at) from unnest(p_names) with ordinality n (name, at) left join memcacheq.queue q on q.name = n.name
$$;

-- The server waits for messages of the queue from now on (0: for new queues). How many there are, and in how many milliseconds there may be more.
create function memcacheq.wait(p_server int, p_queue int) returns table (available bigint, due bigint) language plpgsql as $$
declare
  m memcacheq.move;
  v_now bigint;
begin
  perform pg_advisory_xact_lock(22201, p_queue);
  m := memcacheq.newest(p_queue);
  if m.queue is null and p_queue > 0 then
    return;
  end if;
  insert into memcacheq.waiting values (p_queue, p_server) on conflict do nothing;
  v_now := memcacheq.now_ms();
  available := case when memcacheq.is_paused(m, v_now) then 0 else coalesce(m.line + m.ready, 0) end;
  due := greatest(least(m.due, case when m.paused > v_now then m.paused end) - v_now, 0);
  return next;
end $$;

-- The server lives. Gives up others that don't, and tells what there is to do: `gone` that this one was given up, `woken`
-- which servers are to be told of which queues, `due` queues with messages that are due, `lag` the milliseconds since the last beat.
create function memcacheq.beat(p_server int, p_rules text) returns jsonb language plpgsql as $$
declare
  v_lag int;
  v_other int;
  v_woken jsonb := '[]';
begin
  select extract(epoch from clock_timestamp() - beat) * 1000 into v_lag from memcacheq.server where id = p_server and not gone;
  update memcacheq.server set beat = clock_timestamp(), rules = p_rules where id = p_server and not gone;
  if not found then
    return '{"gone": true}';
  end if;
  select id into v_other from memcacheq.server where not gone and id <> p_server and beat < clock_timestamp() - interval '10 s' order by beat limit 1;
  if v_other is not null then
    v_woken := memcacheq.give_up(v_other);
  end if;
  return jsonb_build_object('lag', v_lag, 'woken', v_woken, 'due', (
    select jsonb_agg(distinct d.queue) from (select h.queue from memcacheq.held h where due <= memcacheq.now_ms() - 50 order by due limit 100) d
    where exists (select from memcacheq.queue q where q.id = d.queue)),
    'rules', (select count(distinct rules) from memcacheq.server where not gone));
end $$;

-- Another server is gone: what its clients had open goes back. Its turns fail from now on.
create function memcacheq.give_up(p_server int) returns jsonb language plpgsql as $$
declare
  v_queues int[];
  v_queue int;
  v_back int;
  v_last memcacheq.turn;
  m memcacheq.move;
begin
  if not pg_try_advisory_xact_lock(22202, p_server) then
    return '[]';
  end if;
  update memcacheq.server set gone = true where id = p_server and not gone and beat < clock_timestamp() - interval '10 s';
  if not found then
    return '[]';
  end if;
  select array_agg(distinct queue order by queue) into v_queues from memcacheq.held where server = p_server and kind = 'o';
  foreach v_queue in array coalesce(v_queues, '{}') loop
    perform pg_advisory_xact_lock(22201, v_queue);
    with back as (
      update memcacheq.held set kind = case when early > memcacheq.now_ms() then 'd'::"char" else 'a' end,
        due = case when early > memcacheq.now_ms() then early end, early = null, server = null, consumer = null, client = null, since = null
      where server = p_server and kind = 'o' and queue = v_queue returning kind
    ) select count(*) filter (where kind = 'a'), count(*) filter (where kind = 'd') into m.ready, m.delayed from back;
    v_back := m.ready;
    v_last.no := m.delayed;
    m := memcacheq.newest(v_queue);
    m.open := m.open - v_back - v_last.no;
    m.ready := m.ready + v_back;
    m.delayed := m.delayed + v_last.no;
    m.due := case when v_last.no > 0 then 0 else m.due end;
    if m.queue is not null then
      perform memcacheq.save(m);
    end if;
  end loop;
  delete from memcacheq.waiting where server = p_server;
  select * into v_last from memcacheq.turn where server = p_server order by no desc limit 1;
  for i in 1..coalesce(array_length(v_last.spent, 1), 0) by 3 loop
    insert into memcacheq.garbage values (v_last.spent[i], v_last.spent[i + 2]);
  end loop;
  return memcacheq.woken(v_queues, memcacheq.now_ms());
end $$;

-- The server stops: at once what other servers would do after ten seconds.
create function memcacheq.leave(p_server int) returns jsonb language plpgsql as $$
begin
  update memcacheq.server set beat = '-infinity' where id = p_server;
  return memcacheq.give_up(p_server);
end $$;

-- Deletes a portion of what is of no use any more. Whether there is more.
create function memcacheq.clean(p_once bigint, p_ids bigint) returns boolean language plpgsql as $$
declare
  w record;
  v_deleted int;
begin
  if not pg_try_advisory_xact_lock(22203, 1) then
    return false;
  end if;
  delete from memcacheq.turn where server in (select id from memcacheq.server where gone and beat < clock_timestamp() - interval '10 min')
    and no < 9223372036854775807;
  delete from memcacheq.server where gone and beat < clock_timestamp() - interval '10 min';
  delete from memcacheq.once where id in (select id from memcacheq.once where at < memcacheq.now_ms() - p_once order by at limit 10000)
    and at < memcacheq.now_ms() - p_once;
  -- Not before a server that lost the answer to its last turn would have asked for it.
  select ctid, queue, below into w from memcacheq.garbage where at < clock_timestamp() - interval '1 min' limit 1;
  if not found then
    return false;
  end if;
  delete from memcacheq.segment where queue = w.queue and first in (
    select first from memcacheq.segment where queue = w.queue and first < w.below order by first limit 1000);
  get diagnostics v_deleted = row_count;
  if v_deleted = 0 and w.below = 9223372036854775807 then
    delete from memcacheq.held where queue = w.queue and number in (
      select number from memcacheq.held where queue = w.queue order by number limit 1000);
    get diagnostics v_deleted = row_count;
    delete from memcacheq.once where queue = w.queue;
  end if;
  if v_deleted = 0 then
    delete from memcacheq.garbage where ctid = w.ctid;
  end if;
  return true;
end $$;
