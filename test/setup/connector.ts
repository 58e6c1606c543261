import { type Connect, createConnector } from "../../packages/api/src/database/connector.js";
import { parseDatabaseUrl } from "../../packages/api/src/database/database-address.js";

/** Opens connections as the API does. @param url of a test's database */
export function connectorTo(url: string): Connect {
  return createConnector(parseDatabaseUrl(url).address);
}
