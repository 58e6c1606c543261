import type { Connection } from "mariadb";
import { connectTo } from "./test-database.js";

/** A statement as a process sent it, and what the server does for it. */
export interface SentStatement {
  readonly text: string;
  /** The tables that it reads, with the index of each, `ALL` where it has none. */
  readonly reads: readonly string[];
  /** How many entries and rows are read for it, temporary tables' included; entries judged within the engine count twice. */
  readonly rows: number;
}

/** What is sent to a server of one's own, and what becomes of it there. */
export interface StatementLog {
  /** What was sent since the last time, each kind once: the one that reads most; of these tables. */
  take(tables: readonly string[]): Promise<SentStatement[]>;
  /** Forgets what was sent so far. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

/** Several that are sent as one. */
const TOGETHER = /^BEGIN NOT ATOMIC ([\s\S]*); END$/;
const partsOf = (text: string) =>
  TOGETHER.exec(text)?.[1]?.split(/; (?=(?:INSERT|UPDATE|DELETE|SELECT|COMMIT)\b)/) ?? [text];
const KINDS = /^(SELECT|\(SELECT|WITH|UPDATE|DELETE|SET STATEMENT)\b/i;
/** Statements that differ in their values alone are of one kind. */
const kindOf = (text: string) =>
  text
    .replace(/'(?:[^'\\]|\\.|'')*'|\b\d+(?:\.\d+)?\b/g, "?")
    .replace(/(\(?\?\)?,\s*)+/g, "")
    .replace(/\s+/g, " ");

/**
 * Logs all statements of a server from now on. Each that was sent is sent again, as it was, by a session of ours that
 * counts what is read; what it changes is rolled back.
 */
export async function logStatements(databaseUrl: string): Promise<StatementLog> {
  const connection = await connectTo(databaseUrl, { collation: "utf8mb4_nopad_bin", bigIntAsNumber: true });
  await connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
  await connection.query("SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES'");
  await connection.query("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON");
  const clear = async () => void (await connection.query("TRUNCATE mysql.general_log"));
  await clear();
  return {
    async take(tables) {
      const sent: { text: string }[] = await connection.query(
        `SELECT argument AS text FROM mysql.general_log
           WHERE command_type = 'Query' AND thread_id <> CONNECTION_ID() ORDER BY event_time`,
      );
      const mention = new RegExp(`\\b(${tables.join("|")})\\b`);
      const parts = sent.flatMap(({ text }) => partsOf(text.trim()));
      const texts = parts.filter((text) => KINDS.test(text) && mention.test(text));
      const worst = new Map<string, SentStatement>();
      for (const text of new Set(texts)) {
        const statement = await examine(connection, text);
        if (statement.rows >= (worst.get(kindOf(text))?.rows ?? 0)) worst.set(kindOf(text), statement);
      }
      await clear();
      return [...worst.values()];
    },
    clear,
    async stop() {
      await connection.query("SET GLOBAL general_log = OFF");
      await connection.end();
    },
  };
}

async function examine(connection: Connection, text: string): Promise<SentStatement> {
  const bare = text.replace(/^SET STATEMENT .*? FOR\s+/is, "");
  const plan: { table: string | null; key: string | null; type: string | null }[] = await connection.query(
    `EXPLAIN ${bare.replace(/ LIMIT ROWS EXAMINED \d+$/, "")}`,
  );
  const reads = plan
    .filter(({ table, type }) => table !== null && !table.startsWith("<") && type !== null)
    .map(({ table, key, type }) => `${table} ${type === "ALL" ? "ALL" : key}`);
  // Ends a transaction, so it comes before.
  await connection.query("FLUSH STATUS");
  await connection.query("BEGIN");
  await connection.query(text).catch((error: { errno?: number }) => {
    if (error.errno !== SORT_ABORTED) throw error;
  });
  const status: { Value: string }[] = await connection.query(
    "SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read_%' OR Variable_name = 'Handler_icp_attempts'",
  );
  await connection.query("ROLLBACK");
  return { text, reads: [...new Set(reads)].sort(), rows: status.reduce((sum, { Value }) => sum + Number(Value), 0) };
}

/** A sort within `LIMIT ROWS EXAMINED` that would have needed more. */
const SORT_ABORTED = 1028;
