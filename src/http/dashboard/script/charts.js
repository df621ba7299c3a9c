/* Charts: a caption with the present values, and lines over the last five minutes. */

function chart(parent, title, series) {
  const figure = element("figure", undefined, parent.id === "all" ? "card" : undefined);
  figure.setAttribute("aria-label", title);
  const caption = element("figcaption");
  caption.append(element("b", title));
  const values = series.map(({ label, name }) => {
    const key = element("span", undefined, `key ${name}`);
    const value = element("b");
    key.append(`${label} `, value);
    caption.append(key);
    return value;
  });
  const plot = element("div", undefined, "plot");
  const svg = newSvg();
  svg.setAttribute("role", "img");
  for (const y of [0, 50, 100]) {
    const line = document.createElementNS(svg.namespaceURI, "line");
    for (const [name, value] of Object.entries({ x1: 0, x2: 300, y1: y, y2: y }))
      line.setAttribute(name, value);
    svg.append(line);
  }
  const paths = series.map(({ name, area }) => {
    const pair = [area ? "area" : undefined, "line"].map((kind) => {
      if (kind === undefined) return undefined;
      const path = document.createElementNS(svg.namespaceURI, "path");
      path.setAttribute("class", `${name} ${kind}`);
      svg.append(path);
      return path;
    });
    return pair;
  });
  const peak = element("span", undefined, "peak");
  caption.append(peak);
  plot.append(svg);
  const axis = element("div", undefined, "axis");
  const start = element("span");
  axis.append(start, element("span", "now"));
  figure.append(caption, plot, axis);
  parent.append(figure);
  return { title, series, values, svg, paths, peak, start };
}

/** Where the points of a line are, in a chart of 300 by 100. */
function placesOf(line, top, now) {
  const { length } = SPANS[$("span").value];
  return line.map(([at, value]) => {
    const x = 300 - Math.min(300, ((now - at) * 300) / length);
    return `${x.toFixed(1)} ${(100 - (value / top) * 96).toFixed(1)}`;
  });
}

/** Rates in and out, in a cell of a table, which has them as numbers, too. */
function smallChart(lines, now) {
  const svg = newSvg();
  svg.setAttribute("aria-hidden", "true");
  const top = Math.max(1e-9, ...lines.flat().map(([, value]) => value));
  lines.forEach((line, i) => {
    const path = document.createElementNS(svg.namespaceURI, "path");
    path.setAttribute("class", i === 0 ? "in" : "out");
    if (line.length > 1) path.setAttribute("d", `M${placesOf(line, top, now).join("L")}`);
    svg.append(path);
  });
  return svg;
}

function newSvg() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 300 100");
  svg.setAttribute("preserveAspectRatio", "none");
  return svg;
}

/** Each line is a list of [milliseconds of the server's monotonic clock, value]; `now` is of that clock, too. */
function draw({ title, series, values, svg, paths, peak, start }, lines, show, now) {
  const span = SPANS[$("span").value];
  write(start, span.start);
  const top = Math.max(1e-9, ...lines.flat().map(([, value]) => value));
  lines.forEach((line, i) => {
    const points = placesOf(line, top, now);
    const d = points.length < 2 ? "" : `M${points.join("L")}`;
    const [area, path] = paths[i];
    path.setAttribute("d", d);
    if (area && d !== "")
      area.setAttribute(
        "d",
        `${d}L${points.at(-1).split(" ")[0]} 100L${points[0].split(" ")[0]} 100Z`,
      );
    else if (area) area.setAttribute("d", "");
    write(values[i], line.length === 0 ? "–" : show(line.at(-1)[1]));
  });
  const isEmpty = lines.every((line) => line.length < 2);
  write(peak, isEmpty ? "gathering" : `peak ${show(top < 1e-6 ? 0 : top)}`);
  const text = series.map(({ label }, i) => `${label} ${values[i].textContent}`).join(", ");
  svg.setAttribute("aria-label", `${title}: ${text}; ${peak.textContent}`);
}

/** How much number `i` of the points grew in a second, from each point to the next. */
function ratesOf(points, i) {
  return points.slice(1).map((point, j) => {
    const earlier = points[j];
    const seconds = Math.max(1, point[0] - earlier[0]) / 1000;
    return [point[0], Math.max(0, (point[i] - earlier[i]) / seconds)];
  });
}

/** @param messages how many there are now */
function drawHistory([depth, rates], points, messages, now) {
  draw(depth, [[...points.map(([at, messages]) => [at, messages]), [now, messages]]], count, now);
  draw(rates, [ratesOf(points, 2), ratesOf(points, 3)], rate, now);
}

function twoCharts(parent) {
  return [
    chart(parent, parent.id === "all" ? "All queues" : "Depth", [
      { label: "messages", name: "depth", area: true },
    ]),
    chart(parent, "Per second", [
      { label: "in", name: "in" },
      { label: "out", name: "out" },
    ]),
  ];
}
