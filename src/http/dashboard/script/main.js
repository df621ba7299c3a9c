/* Keeping it up to date. */

async function refresh() {
  clearTimeout(timer);
  const turn = ++asked;
  const query = new URLSearchParams({ filter: $("filter").value });
  if (chosen !== undefined) query.set("queue", chosen);
  try {
    const response = await fetch(`data/overview?${query}`);
    if (!response.ok) throw new Error(await response.text());
    const answer = await response.json();
    if (turn !== asked) return;
    show(answer);
  } catch (error) {
    if (turn !== asked) return;
    $("health").classList.add("bad");
    write($("health"), `no answer: ${error.message}`);
  }
  if (!paused && !document.hidden) timer = setTimeout(refresh, INTERVAL);
}

function show(answer) {
  const { now } = answer.server;
  for (const queue of answer.queues) {
    queue.age = queue.oldest === 0 ? 0 : Math.max(1, now - queue.oldest);
    const earlier = before.get(queue.name);
    if (earlier === undefined || now - earlier.now < 500) {
      queue.in = earlier?.in;
      queue.out = earlier?.out;
    } else {
      queue.in = Math.max(0, ((queue.sets - earlier.sets) * 1000) / (now - earlier.now));
      queue.out = Math.max(0, ((queue.gets - earlier.gets) * 1000) / (now - earlier.now));
    }
  }
  before = new Map(
    answer.queues.map((queue) => {
      const earlier = before.get(queue.name);
      const isTooSoon = earlier !== undefined && now - earlier.now < 500;
      return [queue.name, isTooSoon ? earlier : { ...queue, now }];
    }),
  );
  last = answer;
  showServer(answer);
  drawHistory(allCharts, answer.history, now);
  showTable();
  showQueue();
  if (chosen !== undefined) drawHistory(queueCharts, answer.course, now);
  write(
    $("updated"),
    `${new Date(now).toLocaleTimeString([], { hour12: false })}${paused ? ", paused" : ""}`,
  );
}

showHeads();
const allCharts = twoCharts($("all"));
const queueCharts = twoCharts($("course"));
$("filter").oninput = refresh;
$("more").onclick = () => {
  maxRows += ROWS;
  showTable();
};
$("close").onclick = () => choose(undefined);
$("look").onclick = look;
$("view").onchange = showMessages;
$("flush").onclick = () => confirmFirst("flush");
$("delete").onclick = () => confirmFirst("delete");
$("no").onclick = () => $("sure").close();
$("pause").onclick = () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  write($("pause"), paused ? "Go on" : "Pause");
  refresh();
};
document.onvisibilitychange = () => document.hidden || paused || refresh();
document.onkeydown = ({ key, target }) => {
  if (key === "/" && target.tagName !== "INPUT") setTimeout(() => $("filter").focus());
  if (key === "Escape" && chosen !== undefined && !$("sure").open) choose(undefined);
};
refresh().then(() => {
  if (location.hash.length > 1) choose(decodeURIComponent(location.hash.slice(1)));
});
