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
      showTable();
    };
    head.append(button);
    $("heads").append(head);
  }
}

function compare(a, b) {
  const [x, y] = [a[sort.key] ?? -1, b[sort.key] ?? -1];
  const order = typeof x === "string" ? x.localeCompare(y) : x - y;
  return (sort.descending ? -order : order) || a.shown.localeCompare(b.shown);
}

function showTable() {
  const { queues, matching, total } = last;
  columns.forEach(({ key }, i) => {
    const head = $("heads").children[i];
    if (key !== sort.key) head.removeAttribute("aria-sort");
    else head.setAttribute("aria-sort", sort.descending ? "descending" : "ascending");
  });
  const visible = queues.toSorted(compare).slice(0, maxRows);
  const focused = document.activeElement;
  visible.forEach((queue, i) => {
    const row = rowOf(queue);
    if ($("rows").children[i] !== row) $("rows").insertBefore(row, $("rows").children[i] ?? null);
  });
  while ($("rows").children.length > visible.length) $("rows").lastChild.remove();
  if (focused !== document.activeElement && focused.isConnected)
    focused.focus({ preventScroll: true });
  for (const name of rows.keys()) if (!rows.get(name).isConnected) rows.delete(name);
  const listed = matching > queues.length ? `the ${count(queues.length)} fullest of ` : "";
  write(
    $("count"),
    `${listed}${count(matching)}${$("filter").value === "" ? "" : ` of ${count(total)}`}`,
  );
  $("more").hidden = queues.length <= maxRows;
  $("empty").hidden = visible.length > 0;
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
    row.firstChild.append(button);
    row.onclick = () => choose(queue.name);
    rows.set(queue.name, row);
  }
  row.classList.toggle("chosen", queue.name === chosen);
  columns.forEach(({ key, show }, i) => {
    const cell = row.children[i];
    if (i === 0) {
      write(cell.firstChild, queue.shown);
      cell.firstChild.setAttribute("aria-pressed", String(queue.name === chosen));
      return;
    }
    cell.classList.toggle("none", !queue[key]);
    write(cell, show(queue[key]));
  });
  return row;
}
