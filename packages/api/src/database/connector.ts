import { type ConnectionConfig, createConnection } from "mariadb";
import { connectionOptions } from "./connection-options.js";
import type { SqlConnection } from "./database.js";
import type { DatabaseAddress } from "./database-address.js";
import { DatabaseRefusal } from "./database-refusal.js";
import { PINNED_NAMES, type SessionPin } from "./session-pins.js";

/** Opens a connection whose session is pinned. Rejects with the driver's error, or with `DatabaseRefusal`. */
export type Connect = (
  pins: readonly SessionPin[],
  limits: Pick<ConnectionConfig, "socketTimeout" | "keepAliveDelay">,
) => Promise<SqlConnection>;

const [MIN_MAJOR, MIN_MINOR] = [10, 6];

/** Opens connections on which our statements mean what they say, whatever the server's settings are. Opens none yet. */
export function createConnector(address: DatabaseAddress): Connect {
  const options = connectionOptions(address);
  /** By the server's version: after a failover an address may lead to another one. */
  const known = new Map<string, ReadonlySet<string>>();

  async function pin(connection: SqlConnection, pins: readonly SessionPin[]): Promise<void> {
    const version = connection.serverVersion();
    const variables = known.get(version) ?? (await findVariables(connection));
    known.set(version, variables);
    // One way there and back for all three.
    await Promise.all([
      connection.query("SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin"),
      connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"),
      connection.query(pinningStatement(pins, variables)),
    ]);
  }

  return async (pins, limits) => {
    const connection = await createConnection({ ...options, ...limits });
    // The driver throws into the event loop what breaks an idle connection that nobody listens to. Its next user is told.
    connection.on("error", () => undefined);
    try {
      refuseOtherServers(connection);
      await pin(connection, pins);
      return connection;
    } catch (error) {
      await connection.end().catch(() => undefined);
      throw error;
    }
  };
}

function refuseOtherServers({ info }: SqlConnection): void {
  if (info?.isMariaDB() && info.hasMinVersion(MIN_MAJOR, MIN_MINOR, 0)) return;
  const { raw = "" } = info?.serverVersion ?? {};
  const found = info?.isMariaDB() ? `MariaDB ${/^[\d.]*/.exec(raw)?.[0]}` : "another database server";
  throw new DatabaseRefusal(`DATABASE_URL leads to ${found}; MariaDB ${MIN_MAJOR}.${MIN_MINOR} or newer is needed`);
}

/** Finds the pinned variables that this server has, since releases add and remove some. The session's own limits do not apply. */
async function findVariables(connection: SqlConnection): Promise<ReadonlySet<string>> {
  const names = PINNED_NAMES.map((name) => `'${name}'`).join(",");
  const rows: { name: string }[] = await connection.query(
    `SET STATEMENT max_statement_time = 0, max_join_size = 18446744073709551615, sql_big_selects = 1 FOR SELECT LOWER(VARIABLE_NAME) AS name
       FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME IN (${names}) LIMIT ${PINNED_NAMES.length}`,
  );
  return new Set(rows.map((row) => row.name));
}

function pinningStatement(pins: readonly SessionPin[], variables: ReadonlySet<string>): string {
  const settings = pins
    .filter(([name]) => variables.has(name))
    .map(([name, value]) => `${name} = ${typeof value === "string" ? `'${value}'` : value}`);
  return `SET ${settings.join(", ")}`;
}
