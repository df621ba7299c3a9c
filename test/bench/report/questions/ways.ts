import { selfSigned, tlsFlags } from "../../../server/certificates.ts";
import { type Contender, fresh, MODE_TITLES, ours } from "../../contender.ts";
import { makeFolder, removeFolder } from "../../folder.ts";
import { count, markdown, ratio } from "../../format.ts";
import { BASE, type Measurement, type Operation } from "../../job.ts";
import { type Mode, MODES } from "../../options.ts";
import type { Goal, Section } from "../section.ts";
import { alternate, median, medianRate, quotient, type Setting } from "../setting.ts";

/** A load that is measured in two ways. */
type Row = {
  mode: Mode;
  operation: Operation;
  connections: number;
  plain: Measurement[];
  other: Measurement[];
};

const OPERATIONS: Operation[] = ["set", "get"];
const CONNECTIONS = [1, 50];
/** Of plain TCP, with 50 clients. */
const LEAST_OVER_TLS = 0.8;

/** What other ways to the same queues cost, beside the plain one. */
export async function ways(setting: Setting): Promise<Section> {
  const folder = makeFolder();
  try {
    const certificate = tlsFlags(selfSigned(folder));
    const rows: Row[] = [];
    for (const mode of MODES) {
      const overTls = { ...fresh(ours(mode, certificate, "tls")), name: `${mode}, TLS` };
      rows.push(...(await compare(setting, mode, [fresh(ours(mode)), overTls])));
    }
    return {
      title: "Other ways to the same queues",
      text: [
        "TLS, with a certificate of P-256. The load generator encrypts on the same machine, so the CPU time of the server " +
          "says more than the rate.",
        table(rows),
      ],
      charts: [],
      goals: rows.filter(({ connections }) => connections === 50).map(goalOf),
    };
  } finally {
    removeFolder(folder);
  }
}

async function compare(setting: Setting, mode: Mode, contenders: Contender[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const connections of CONNECTIONS) {
    for (const operation of OPERATIONS) {
      const task = { ...BASE, connections, operation, seconds: setting.amounts.seconds };
      const [plain = [], other = []] = await alternate(setting, contenders, task);
      rows.push({ mode, operation, connections, plain, other });
    }
  }
  return rows;
}

function table(rows: Row[]): string {
  return markdown(
    ["", "clients", "", "plain", "TLS", "TLS / plain", "CPU"],
    rows.map((row) => [
      MODE_TITLES[row.mode],
      String(row.connections),
      row.operation,
      count(medianRate(row.plain)),
      count(medianRate(row.other)),
      ratio(rates(row)),
      ratio(quotient(cpuOf(row.other), cpuOf(row.plain))),
    ]),
    3,
  );
}

function rates({ plain, other }: Row): number | null {
  return quotient(medianRate(other), medianRate(plain));
}

/** Of the server, an operation. */
function cpuOf(results: Measurement[]): number | null {
  return median(results.map(({ serverCpu, ops }) => (serverCpu ?? NaN) / ops));
}

function goalOf(row: Row): Goal {
  const what = `${MODE_TITLES[row.mode]} ${row.operation}, ${row.connections} clients, over TLS against TCP`;
  return { what, limit: LEAST_OVER_TLS, is: "least", measured: rates(row), unit: "" };
}
