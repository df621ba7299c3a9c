/* The table. */

function showHeads() {
  for (const { key, title, narrow } of columns) {
    const head = element("th", undefined, narrow);
    head.scope = "col";
    const button = element("button", title);
    button.type = "button";
    button.onclick = () => {
      const descending = sort.key === key ? !sort.descending : key !== "shown";
      sort = { key, descending };
      sortListed();
      refreshFirst();
    };
    head.append(button);
    $("heads").append(head);
  }
}

/** The rows that are here are sorted at once, until the server has sorted all. */
function sortListed() {
  if (last === undefined) return;
  const { key, descending } = sort;
  const value = (queue) => queue[key] ?? -1;
  last.queues.sort((a, b) => {
    const order = value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0;
    return (descending ? -order : order) || (a.name < b.name ? -1 : 1);
  });
  showTable();
}

function showTable() {
  const { queues } = last;
  columns.forEach(({ key }, i) => {
    const head = $("heads").children[i];
    if (key !== sort.key) head.removeAttribute("aria-sort");
    else head.setAttribute("aria-sort", sort.descending ? "descending" : "ascending");
  });
  const focused = document.activeElement;
  queues.forEach((queue, i) => {
    const row = rowOf(queue);
    if ($("rows").children[i] !== row) $("rows").insertBefore(row, $("rows").children[i] ?? null);
  });
  while ($("rows").children.length > queues.length) $("rows").lastChild.remove();
  if (focused !== document.activeElement && focused.isConnected)
    focused.focus({ preventScroll: true });
  for (const name of rows.keys()) if (!rows.get(name).isConnected) rows.delete(name);
  showCounts(last);
}

/** How many queues there are, match and are listed. */
function showCounts({ queues, matching, awaited, total }) {
  const isFiltered = $("filter").value !== "";
  const parts = [isFiltered ? `${count(matching - awaited)} of ${count(total)}` : count(total)];
  if (awaited > 0) parts.push(`${count(awaited)} more only waited for`);
  const end = from + queues.length;
  if (queues.length < matching) parts.push(`${count(from + 1)} to ${count(end)} listed`);
  write($("count"), parts.join(", "));
  showPages(end, matching);
  $("empty").hidden = queues.length > 0;
  write(
    $("empty"),
    total === 0 ? "There is no queue yet: its first set makes it." : "No queue has such a name.",
  );
}

/** Pages are short, since all of a page is drawn anew when its rows change their places. */
function showPages(end, matching) {
  const hasMore = end < matching;
  const isFull = hasMore && end >= MOST_ROWS;
  $("pages").hidden = from === 0 && !hasMore;
  // The button with the focus stays.
  $("previous").setAttribute("aria-disabled", String(from === 0));
  $("next").setAttribute("aria-disabled", String(!hasMore || isFull));
  write($("full"), isFull ? "Filter by name, or sort in another order, to see others." : "");
}

function turnPage(by) {
  const to = from + by;
  if (to < 0 || to >= Math.min(MOST_ROWS, last.matching)) return;
  from = to;
  refresh();
}

/** Another filter or order begins at the first page. */
function refreshFirst() {
  from = 0;
  keepAddress();
  refresh();
}

function rowOf(queue) {
  let row = rows.get(queue.name);
  if (row === undefined) {
    row = element("tr");
    for (const { narrow } of columns) row.append(element("td", undefined, narrow));
    const button = element("button");
    button.type = "button";
    writeVisible(button, queue.shown, IN_NAMES);
    row.firstChild.append(button);
    row.onclick = () => choose(queue.name);
    row.written = [];
    rows.set(queue.name, row);
  }
  const isChosen = queue.name === chosen;
  if (row.written[0] !== isChosen) {
    row.written[0] = isChosen;
    row.classList.toggle("chosen", isChosen);
    row.firstChild.firstChild.setAttribute("aria-pressed", String(isChosen));
  }
  for (let i = 1; i < columns.length; i++) {
    const { key, show } = columns[i];
    const text = show(queue[key]);
    // With a thousand rows even reading what is there takes long.
    if (row.written[i] === text) continue;
    row.written[i] = text;
    row.children[i].textContent = text;
    row.children[i].classList.toggle("none", !queue[key]);
  }
  return row;
}
