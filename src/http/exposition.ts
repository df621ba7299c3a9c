import type { Histogram } from "../util/histogram.ts";

/* Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/ */

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export type MetricKind = "counter" | "gauge" | "histogram";
/** The values are escaped already: see {@link escapeLabel}. */
export type Labels = Record<string, string>;
export type Sample = [labels: Labels, value: number];

/** A metric with all its samples. */
export function metric(name: string, kind: MetricKind, help: string, samples: Sample[]): string {
  return heading(name, kind, help) + samples.map((sample) => line(name, sample)).join("");
}

export function counter(name: string, help: string, value: number): string {
  return metric(name, "counter", help, [[{}, value]]);
}

export function gauge(name: string, help: string, value: number): string {
  return metric(name, "gauge", help, [[{}, value]]);
}

/** https://prometheus.io/docs/concepts/metric_types/#histogram */
export function histogram(name: string, help: string, { bounds, counts, sum }: Histogram): string {
  let count = 0;
  const buckets = counts.map((inRange, i) => {
    count += inRange;
    const le = i < bounds.length ? String(bounds[i]) : "+Inf";
    return line(`${name}_bucket`, [{ le }, count]);
  });
  const totals = [line(`${name}_sum`, [{}, sum]), line(`${name}_count`, [{}, count])];
  return heading(name, "histogram", help) + [...buckets, ...totals].join("");
}

export function heading(name: string, kind: MetricKind, help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`;
}

function line(name: string, [labels, value]: Sample): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${text}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
}

export function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
