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
      keepAddress();
      sortListed();
      refresh();
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
  const hasMore = queues.length < matching;
  if (hasMore) parts.push(`the first ${count(queues.length)} listed`);
  write($("count"), parts.join(", "));
  $("more").hidden = !hasMore;
  const isFull = hasMore && maxRows >= MOST_ROWS;
  $("more").firstElementChild.hidden = isFull;
  write(
    $("more").lastElementChild,
    isFull ? "Filter by name, or sort in another order, to see others." : "",
  );
  $("empty").hidden = queues.length > 0;
  write(
    $("empty"),
    total === 0 ? "There is no queue yet: its first set makes it." : "No queue has such a name.",
  );
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
    rows.set(queue.name, row);
  }
  row.classList.toggle("chosen", queue.name === chosen);
  columns.forEach(({ key, show }, i) => {
    const cell = row.children[i];
    if (i === 0) {
      cell.firstChild.setAttribute("aria-pressed", String(queue.name === chosen));
      return;
    }
    cell.classList.toggle("none", !queue[key]);
    write(cell, show(queue[key]));
  });
  return row;
}
