/** Charts as SVG, on a background of their own, so that they read the same on light and dark pages. */

/** Points from left to right. A dashed line is the second of its kind. */
export type Series = { name: string; points: [x: number, y: number][]; dashed?: boolean };

export type Axis = { title: string; log: boolean; format: (value: number) => string };

export type LineChart = { title: string; x: Axis; y: Axis; series: Series[] };

export type Bar = { name: string; value: number };

export type BarChart = {
  title: string;
  unit: string;
  format: (value: number) => string;
  bars: Bar[];
};

type Range = { least: number; most: number };

const COLOURS = ["#0b66c3", "#d1495b", "#2a9d5c", "#b7791f", "#7b4fb5", "#4a5568"];
const WIDTH = 860;
const HEIGHT = 460;
const LEFT = 84;
const RIGHT = 24;
const TOP = 46;
const BOTTOM = 58;
const LEGEND_WIDTH = 220;
const LEGEND_LINE = 22;
const BAR = 26;
const BAR_NAMES = 250;
const BAR_VALUES = 90;
const MOST_TICKS = 6;

/** Lines over a common axis, with a legend on the right. */
export function lineChart({ title, x, y, series }: LineChart): string {
  const points = series.flatMap((one) => one.points).filter(([at, value]) => at + value < Infinity);
  const xs = rangeOf(points.map(([at]) => at));
  const ys = rangeUp(
    points.map(([, value]) => value),
    y.log,
  );
  const right = WIDTH - RIGHT - LEGEND_WIDTH;
  const placeX = scale(xs, x.log, LEFT, right);
  const placeY = scale(ys, y.log, HEIGHT - BOTTOM, TOP);
  const xTicks = x.log ? distinct(points.map(([at]) => at)) : ticks(xs, false);
  return svg(WIDTH, HEIGHT, title, [
    ...ticks(ys, y.log).flatMap((value) => [
      line(LEFT, placeY(value), right, placeY(value), "#dde1e6"),
      text(LEFT - 8, placeY(value) + 4, y.format(value), "end"),
    ]),
    ...xTicks.flatMap((at) => [
      line(placeX(at), HEIGHT - BOTTOM, placeX(at), HEIGHT - BOTTOM + 5, "#8a939e"),
      text(placeX(at), HEIGHT - BOTTOM + 20, x.format(at), "middle"),
    ]),
    line(LEFT, HEIGHT - BOTTOM, right, HEIGHT - BOTTOM, "#8a939e"),
    text((LEFT + right) / 2, HEIGHT - 14, x.title, "middle"),
    `<text transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escape(y.title)}</text>`,
    ...series.map((one, i) => polyline(one, stroke(series, i), placeX, placeY)),
    ...series.flatMap((one, i) =>
      legend(one, stroke(series, i), right + 20, TOP + 8 + i * LEGEND_LINE),
    ),
  ]);
}

/** Horizontal bars from zero, each with its value. */
export function barChart({ title, unit, format, bars }: BarChart): string {
  const height = TOP + bars.length * BAR + 24;
  const most = Math.max(
    ...bars.map(({ value }) => value).filter(Number.isFinite),
    Number.MIN_VALUE,
  );
  const place = scale({ least: 0, most }, false, 0, WIDTH - BAR_NAMES - BAR_VALUES - RIGHT);
  return svg(WIDTH, height, `${title} (${unit})`, [
    ...bars.flatMap(({ name, value }, i) => {
      const y = TOP + i * BAR;
      const length = Number.isFinite(value) ? Math.max(1, place(value)) : 0;
      return [
        text(BAR_NAMES - 8, y + BAR / 2 + 4, name, "end"),
        `<rect x="${BAR_NAMES}" y="${y + 4}" width="${length.toFixed(1)}" height="${BAR - 8}" fill="${COLOURS[0]}"/>`,
        text(BAR_NAMES + length + 6, y + BAR / 2 + 4, format(value), "start"),
      ];
    }),
  ]);
}

function svg(width: number, height: number, title: string, parts: string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
      `font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#1f2933" role="img">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="6" fill="#ffffff" stroke="#cbd2d9"/>`,
    `<text x="20" y="26" font-size="15" font-weight="bold">${escape(title)}</text>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/** Lines that differ in being dashed only share a colour. */
function stroke(series: Series[], i: number): string {
  const solid = series.slice(0, i + 1).filter(({ dashed }) => dashed !== true).length;
  return COLOURS[Math.max(0, solid - 1) % COLOURS.length] ?? "";
}

function polyline(
  { points, dashed }: Series,
  colour: string,
  placeX: (x: number) => number,
  placeY: (y: number) => number,
): string {
  const places = points
    .filter(([x, y]) => x + y < Infinity)
    .map(([x, y]) => [placeX(x).toFixed(1), placeY(y).toFixed(1)] as const);
  const path = places.map((place) => place.join(",")).join(" ");
  const dots = places.length > 20 ? [] : places;
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dash(dashed)}/>`,
    ...dots.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3" fill="${colour}"/>`),
  ].join("\n");
}

function legend({ name, dashed }: Series, colour: string, x: number, y: number): string[] {
  return [
    `<line x1="${x}" y1="${y}" x2="${x + 26}" y2="${y}" stroke="${colour}" stroke-width="2"${dash(dashed)}/>`,
    text(x + 33, y + 4, name, "start"),
  ];
}

const dash = (dashed = false): string => (dashed ? ` stroke-dasharray="5 4"` : "");

function line(x1: number, y1: number, x2: number, y2: number, colour: string): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map((place) => place.toFixed(1));
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" stroke="${colour}"/>`;
}

function text(x: number, y: number, words: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escape(words)}</text>`;
}

const escape = (words: string): string => Bun.escapeHTML(words);

function scale({ least, most }: Range, log: boolean, from: number, to: number) {
  const measure = log ? Math.log10 : (value: number): number => value;
  const span = measure(most) - measure(least) || 1;
  return (value: number): number => from + ((measure(value) - measure(least)) / span) * (to - from);
}

function rangeOf(values: number[]): Range {
  const least = Math.min(...values);
  const most = Math.max(...values);
  return { least, most: most > least ? most : least + 1 };
}

/** From zero up to a round number; with a logarithm, from one power of ten to another. */
function rangeUp(values: number[], log: boolean): Range {
  const { least, most } = rangeOf(values);
  if (!log) return { least: 0, most: roundUp(most) };
  return { least: 10 ** Math.floor(Math.log10(least)), most: 10 ** Math.ceil(Math.log10(most)) };
}

function ticks({ least, most }: Range, log: boolean): number[] {
  if (log) {
    const first = Math.ceil(Math.log10(least));
    const count = Math.floor(Math.log10(most)) - first + 1;
    return Array.from({ length: Math.max(0, count) }, (_, i) => 10 ** (first + i));
  }
  const step = stepOf(most - least);
  const first = Math.ceil(least / step);
  return Array.from({ length: Math.floor(most / step) - first + 1 }, (_, i) => (first + i) * step);
}

/** 1, 2 or 5 and zeros. */
function stepOf(span: number): number {
  const power = 10 ** Math.floor(Math.log10(span / MOST_TICKS));
  return (
    power * (([1, 2, 5, 10] as const).find((step) => span / (power * step) <= MOST_TICKS) ?? 10)
  );
}

function roundUp(most: number): number {
  if (!(most > 0)) return 1;
  const step = stepOf(most);
  return Math.ceil(most / step) * step;
}

const distinct = (values: number[]): number[] => [...new Set(values)].sort((a, b) => a - b);
