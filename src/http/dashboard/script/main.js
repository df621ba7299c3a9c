/* Keeping it up to date. */

async function refresh() {
  clearTimeout(timer);
  const turn = ++asked;
  const query = new URLSearchParams({
    filter: $("filter").value,
    sort: sort.key,
    order: sort.descending ? "descending" : "ascending",
    limit: ROWS,
    from,
    span: $("span").value,
  });
  if (chosen !== undefined) query.set("queue", chosen);
  try {
    const response = await fetch(`data/overview?${query}`);
    if (!response.ok) throw new Error(await response.text());
    const answer = await response.json();
    if (turn !== asked) return;
    if (answer.queues.length === 0 && from > 0) return refreshFirst();
    show(answer);
    refreshClients();
    refreshEvents();
  } catch (error) {
    if (turn !== asked) return;
    $("health").classList.add("bad");
    write($("health"), `no answer: ${error.message}`);
  }
  if (!paused && !document.hidden) timer = setTimeout(refresh, INTERVAL);
}

function show(answer) {
  const { now, monotonic } = answer.server;
  last = answer;
  showServer(answer);
  showEventCount(answer.events);
  drawHistory(allCharts, answer.history, answer.messages, monotonic);
  showTable();
  showQueue();
  if (chosen !== undefined)
    drawHistory(queueCharts, answer.course, answer.chosen?.messages ?? 0, monotonic);
  write(
    $("updated"),
    `${new Date(now).toLocaleTimeString([], { hour12: false })}${paused ? ", paused" : ""}`,
  );
}

showHeads();
prepareClients();
prepareEvents();
const allCharts = twoCharts($("all"));
const queueCharts = twoCharts($("course"));
$("filter").oninput = refreshFirst;
$("span").onchange = () => {
  keepAddress();
  refresh();
};
$("previous").onclick = () => turnPage(-ROWS);
$("next").onclick = () => turnPage(ROWS);
$("close").onclick = () => choose(undefined);
$("look").onclick = look;
$("further").firstElementChild.onclick = lookFurther;
$("all-picked").onchange = pickAll;
$("deletePicked").onclick = () => confirmPicked("remove");
$("returnPicked").onclick = () => confirmPicked("return");
$("find").onchange = look;
$("view").onchange = showMessages;
$("hold").onclick = holdOrResume;
$("flush").onclick = () => confirmFirst("flush");
$("delete").onclick = () => confirmFirst("delete");
$("return").onclick = () => confirmReturn();
$("no").onclick = () => $("sure").close();
$("pause").onclick = () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  write($("pause"), paused ? "Go on" : "Pause updates");
  refresh();
};
document.onvisibilitychange = () => document.hidden || paused || refresh();
document.onkeydown = ({ key, target }) => {
  if (key === "/" && !["INPUT", "SELECT"].includes(target.tagName))
    setTimeout(() => $("filter").focus());
  if (key === "Escape" && chosen !== undefined && !$("sure").open) choose(undefined);
};
window.onpopstate = followAddress;
followAddress();
