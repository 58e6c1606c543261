import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Connection } from "mariadb";
import { root } from "../../scripts/paths.mjs";
import { connectTo, createTestDatabase, type TestDatabase } from "../setup/test-database.js";

/** The steps of this release. */
export const FOLDER = join(root, "migrations");

/** The table as the original system's own page defines it. */
export const ORIGINAL_TABLE = `CREATE TABLE IF NOT EXISTS tasks (
  id INT AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(255) NOT NULL UNIQUE,
  scheduled_time DATETIME NOT NULL,
  recurrence ENUM('ONCE', 'DAILY', 'WEEKLY', 'BIWEEKLY', 'MONTHLY', 'QUARTERLY', 'YEARLY') NULL
)`;

/** One session that makes databases, each with a schema of its own. */
export interface SchemaFixture {
  readonly connection: Connection;
  /** Makes a database and runs the statements in it; the session stays there. @returns its URL */
  create(statements: string): Promise<string>;
  /** Has the session use the database of a URL that `create` gave. */
  use(url: string): Promise<void>;
  stop(): Promise<void>;
}

/** @param serverUrl a server of the spec's own, where it needs one */
export async function createSchemaFixture(serverUrl?: string): Promise<SchemaFixture> {
  const databases: TestDatabase[] = [await createTestDatabase(serverUrl)];
  const connection = await connectTo(databases[0]!.url, {
    ...{ multipleStatements: true, dateStrings: true, bigIntAsNumber: true },
    sessionVariables: { sql_mode: "ALLOW_INVALID_DATES", time_zone: "+00:00" },
  });
  const use = async (url: string) => void (await connection.query(`USE ${new URL(url).pathname.slice(1)}`));
  return {
    connection,
    use,
    async create(statements) {
      const database = await createTestDatabase(serverUrl);
      databases.push(database);
      await use(database.url);
      if (statements !== "") await connection.query(statements);
      return database.url;
    },
    async stop() {
      await connection.end();
      for (const database of databases) await database.drop();
    },
  };
}

/** A release with other steps than this one's. */
export interface OtherRelease {
  readonly folder: string;
  remove(): Promise<void>;
}

/** @param count how many of this release's steps it knows @param scripts further files by their names */
export async function createRelease(count: number, scripts: Record<string, string> = {}): Promise<OtherRelease> {
  const folder = await mkdtemp(join(tmpdir(), "taskscheduler-release-"));
  const names = (await readdir(FOLDER)).sort().slice(0, 2 * count);
  for (const name of names) await cp(join(FOLDER, name), join(folder, name));
  for (const [name, text] of Object.entries(scripts)) await writeFile(join(folder, name), text);
  return { folder, remove: () => rm(folder, { recursive: true }) };
}
