import { findPrograms, startCluster } from "../../../queues/shared/cluster.ts";
import { selfSigned, tlsFlags } from "../../../server/certificates.ts";
import { type Contender, fresh, MODE_TITLES, ours } from "../../contender.ts";
import { makeFolder, removeFolder } from "../../folder.ts";
import { count, markdown, ratio } from "../../format.ts";
import { BASE, type Measurement, type Operation } from "../../job.ts";
import { cpuOf } from "../../measurement.ts";
import { type Mode, MODES } from "../../options.ts";
import { startFresh } from "../../server.ts";
import type { Goal, Section } from "../section.ts";
import { alternate, median, medianRate, quotient, type Setting } from "../setting.ts";

/** Another way to the same queues. */
type Way = "TLS" | "PostgreSQL";

/** A load that is measured in two ways. */
type Row = {
  way: Way;
  mode: Mode;
  operation: Operation;
  connections: number;
  plain: Measurement[];
  other: Measurement[];
};

const OPERATIONS: Operation[] = ["set", "get"];
const CONNECTIONS = [1, 50];
/** Of the plain way, with 50 clients. */
const LEAST: Record<Way, number> = { TLS: 0.8, PostgreSQL: 0.5 };

/** What other ways to the same queues cost, beside the plain one. */
export async function ways(setting: Setting): Promise<Section> {
  const rows = [...(await besideTls(setting)), ...(await besidePostgres(setting))];
  return {
    title: "Other ways to the same queues",
    text: [
      "Plain is TCP, and a database file. TLS has a certificate of P-256; the load generator encrypts on the same machine, " +
        "so the CPU time of the server says more than the rate. PostgreSQL runs on the same machine, too, with its fsync on; " +
        "the CPU time is that of memcacheq alone.",
      table(rows),
    ],
    charts: [],
    goals: rows.filter(({ connections }) => connections === 50).map(goalOf),
  };
}

async function besideTls(setting: Setting): Promise<Row[]> {
  const folder = makeFolder();
  try {
    const certificate = tlsFlags(selfSigned(folder));
    const rows: Row[] = [];
    for (const mode of MODES) {
      const overTls = { ...fresh(ours(mode, certificate, "tls")), name: `${mode}, TLS` };
      rows.push(...(await compare(setting, "TLS", mode, overTls)));
    }
    return rows;
  } finally {
    removeFolder(folder);
  }
}

async function besidePostgres(setting: Setting): Promise<Row[]> {
  if (findPrograms() === undefined) return [];
  const cluster = await startCluster();
  try {
    const overPostgres: Contender = {
      name: "durable, PostgreSQL",
      dialect: "memcached",
      async start() {
        const store = cluster.url(await cluster.newDatabase());
        return startFresh(ours("durable", ["--store", store]).kind);
      },
    };
    return await compare(setting, "PostgreSQL", "durable", overPostgres);
  } finally {
    cluster.dispose();
  }
}

async function compare(
  setting: Setting,
  way: Way,
  mode: Mode,
  contender: Contender,
): Promise<Row[]> {
  const rows: Row[] = [];
  const contenders = [fresh(ours(mode)), contender];
  for (const connections of CONNECTIONS) {
    for (const operation of OPERATIONS) {
      const task = { ...BASE, connections, operation, seconds: setting.amounts.seconds };
      const [plain = [], other = []] = await alternate(setting, contenders, task);
      rows.push({ way, mode, operation, connections, plain, other });
    }
  }
  return rows;
}

function table(rows: Row[]): string {
  return markdown(
    ["", "", "clients", "", "plain", "this way", "this way / plain", "CPU"],
    rows.map((row) => [
      row.way,
      MODE_TITLES[row.mode],
      String(row.connections),
      row.operation,
      count(medianRate(row.plain)),
      count(medianRate(row.other)),
      ratio(rates(row)),
      ratio(quotient(median(row.other.map(cpuOf)), median(row.plain.map(cpuOf)))),
    ]),
    4,
  );
}

function rates({ plain, other }: Row): number | null {
  return quotient(medianRate(other), medianRate(plain));
}

function goalOf(row: Row): Goal {
  const { way, mode, operation, connections } = row;
  const what = `${MODE_TITLES[mode]} ${operation}, ${connections} clients, ${way} against the plain way`;
  return { what, limit: LEAST[way], is: "least", measured: rates(row), unit: "" };
}
