/** Prints what the Grafana dashboard asks of Prometheus as a file of rules, which promtool can check. */
import dashboard from "../../src/http/grafana.json";

const rules = dashboard.panels.flatMap(({ id, targets = [] }) =>
  targets.map(({ refId, expr }) => ({
    record: `panel:${id}:${refId}`,
    expr: expr.replaceAll("$__rate_interval", "1m").replace(/\$\w+/g, ".*"),
  })),
);
console.log(Bun.YAML.stringify({ groups: [{ name: "dashboard", rules }] }, null, 2));
