/** What clients of one address, or of one account where clients authenticate, have set and got. */
export interface Traffic {
  /** The address or the account's name. */
  client: string;
  /** How many of them are connected. */
  connections: number;
  /** Messages stored, and messages delivered, since the record was made. They only grow. */
  sets: number;
  gets: number;
}

/** A connection counts in the record that it has; the number of records is bounded. */
export interface TrafficTable {
  /** The one that was joined last is the last. */
  records: Map<string, Traffic>;
  /** Of all for whom there is no record of their own. */
  others: Traffic;
}

/** So many clients are kept apart. */
export const MAX_TRAFFIC = 100;
const OTHERS = "others";

export function newTrafficTable(): TrafficTable {
  return { records: new Map(), others: newTraffic(OTHERS) };
}

function newTraffic(client: string): Traffic {
  return { client, connections: 0, sets: 0, gets: 0 };
}

/**
 * A client has connected, or authenticated. A new one takes the place of the one that was connected before all others that
 * are connected no longer.
 * @param client its address or the account's name
 */
export function joinTraffic({ records, others }: TrafficTable, client: string): Traffic {
  let record = records.get(client);
  if (record !== undefined) records.delete(client);
  else if (records.size >= MAX_TRAFFIC && !forgetOne(records)) record = others;
  else record = newTraffic(client);
  record.connections++;
  if (record !== others) records.set(client, record);
  return record;
}

export function leaveTraffic(record: Traffic): void {
  record.connections--;
}

/** @returns false when all are connected */
function forgetOne(records: Map<string, Traffic>): boolean {
  for (const [client, { connections }] of records) {
    if (connections > 0) continue;
    records.delete(client);
    return true;
  }
  return false;
}
