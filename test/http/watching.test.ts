/** The alerts for Prometheus and the dashboard for Grafana: they name only metrics that there are. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { suite } from "../server/harness.ts";
import { startWeb } from "./web.ts";

suite();

interface Rule {
  alert: string;
  expr: string;
  annotations: { summary: string; description: string };
}

interface Rules {
  groups: { rules: Rule[] }[];
}

interface Cases {
  tests: { alert_rule_test: { alertname: string; exp_alerts?: unknown[] }[] }[];
}

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string }[];
}

interface Dashboard {
  panels: Panel[];
  templating: { list: { name: string; definition?: string }[] };
}

const read = (path: string): string => readFileSync(join(import.meta.dir, path), "utf8");
const alerts = (Bun.YAML.parse(read("../../src/http/alerts.yml")) as Rules).groups.flatMap(
  ({ rules }) => rules,
);
const dashboard = JSON.parse(read("../../src/http/grafana.json")) as Dashboard;

/** What is asked of Prometheus, without the parts in quotes. */
const expressions = [
  ...alerts.map(({ expr }) => expr),
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.templating.list.map(({ definition = "" }) => definition),
].map((text) => text.replace(/"(?:[^"\\]|\\.)*"/g, ""));

test("all metrics that are asked for are there, with the labels that are asked for", async () => {
  const server = await startWeb();
  const client = await server.connect();
  await client.put("jobs", "x");
  const text = await (await server.get("/metrics")).text();
  const asked = new Set(
    expressions.flatMap((text) => text.match(/\b(?:memcacheq|process)_\w+/g) ?? []),
  );
  const there = new Set(text.match(/^\w+/gm));
  expect(asked.size).toBeGreaterThan(25);
  expect([...asked].filter((name) => !there.has(name))).toEqual([]);
  const labels = new Set(["job", "instance", ...(text.match(/(?<=[{,])\w+(?==")/g) ?? [])]);
  const wanted = expressions.flatMap((text) => text.match(/(?<=[{,] ?)\w+(?==)/g) ?? []);
  expect(wanted.filter((label) => !labels.has(label))).toEqual([]);
  await server.stop();
});

test("each alert has a case in which it fires, and one in which it does not", () => {
  const cases = (Bun.YAML.parse(read("alerts.test.yml")) as Cases).tests.flatMap(
    ({ alert_rule_test }) => alert_rule_test,
  );
  for (const { alert } of alerts) {
    const own = cases.filter(({ alertname }) => alertname === alert);
    expect([alert, own.some(({ exp_alerts = [] }) => exp_alerts.length > 0)]).toEqual([
      alert,
      true,
    ]);
    expect([alert, own.some(({ exp_alerts = [] }) => exp_alerts.length === 0)]).toEqual([
      alert,
      true,
    ]);
  }
});

test("the dashboard's panels have ids of their own, and none lies over another", () => {
  const { panels } = dashboard;
  expect(panels.length).toBeGreaterThan(15);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const [i, { title, gridPos: a }] of panels.entries()) {
    expect([title, a.x + a.w <= 24]).toEqual([title, true]);
    for (const { title: other, gridPos: b } of panels.slice(i + 1)) {
      const isOver = a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
      expect([title, other, isOver]).toEqual([title, other, false]);
    }
  }
});
