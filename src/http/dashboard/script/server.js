/* The state of the server. */

function showServer({ server, messages, total }) {
  const { connections, memory, store } = server;
  const clients =
    connections.ready + connections.waiting + connections.blocked + connections.ending;
  write(
    $("version"),
    `${server.version} · up ${age(Math.max(1000, server.uptime))} · pid ${server.pid}`,
  );
  $("health").classList.toggle("bad", server.ailment !== undefined);
  write($("health"), server.ailment === undefined ? "healthy" : `cannot commit: ${server.ailment}`);
  const syncs = store.syncs === 0 ? "no sync yet" : `sync ${time(store.syncSeconds / store.syncs)}`;
  const commit = store.commits === 0 ? "–" : time(store.commitSeconds / store.commits);
  tiles([
    ["Messages", count(messages), `${size(server.bytes)} in ${many(total, "queue")}`],
    [
      "Clients",
      count(clients),
      `${count(connections.waiting)} waiting, at most ${count(connections.most)}`,
    ],
    [
      "Commit, mean",
      commit,
      `${store.synced ? syncs : "not synced (-N)"}, ${count(store.commits)} so far`,
    ],
    ...placeTiles(store),
    [
      "Memory",
      size(memory.rss),
      `${memory.promised === undefined ? "" : `promised below ${size(memory.promised)}, `}messages ${size(memory.messages)}`,
    ],
  ]);
}

/** Where the messages are: the files of this server, or a PostgreSQL that servers have in common. */
function placeTiles(store) {
  if (store.database === undefined) return [["Store", "PostgreSQL", store.place]];
  const free = size(store.freePages * store.pageSize);
  return [
    ["Database", size(store.database), `${free} of it free, ${size(store.available)} left on disk`],
    ["Log", size(store.log), `${count(store.checkpointed)} % in the database`],
  ];
}

function tiles(list) {
  const parent = $("tiles");
  list.forEach((texts, i) => {
    if (parent.children[i] === undefined) {
      const tile = element("div", undefined, "card");
      tile.append(element("dt"), element("dd"), element("dd"));
      parent.append(tile);
    }
    texts.forEach((text, j) => write(parent.children[i].children[j], text));
  });
}
