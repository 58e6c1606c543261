import type { SqlConnection } from "../../packages/api/src/database/database.js";
import * as migrations from "../../packages/api/src/database/migrations/migrate.js";
import type { LockWait } from "../../packages/api/src/database/migrations/migration-lock.js";
import * as sessions from "../../packages/api/src/database/migrations/migration-session.js";
import { connectorTo } from "./connector.js";

/** The API's work on a schema, done in this process at the database of a URL. */

export function migrate(url: string, folder: string, direction: "up" | "down", wait?: LockWait): Promise<string[]> {
  return migrations.migrate(connectorTo(url), folder, direction, wait);
}

export function checkSchema(url: string, folder: string): Promise<void> {
  return migrations.checkSchema(connectorTo(url), folder);
}

export function openSession(url: string): Promise<SqlConnection> {
  return sessions.openSession(connectorTo(url));
}
