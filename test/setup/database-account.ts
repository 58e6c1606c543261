import { randomBytes } from "node:crypto";
import { createConnection } from "mariadb";

export interface Account {
  readonly name: string;
  readonly password: string;
  /** The URL that the account was made by, with this account in it. */
  readonly url: string;
}

/**
 * Makes an account that has no privilege but those given, as in production.
 *
 * @param url of a database, with an account that may make others
 * @param privileges on all tables of the database; none: it may not even use it
 * @param requirement such as `REQUIRE SSL`
 */
export async function createAccount(url: string, privileges: string, requirement = ""): Promise<Account> {
  const name = `u${randomBytes(4).toString("hex")}`;
  const password = `pw-${randomBytes(9).toString("hex")}`;
  const own = new URL(url);
  const connection = await createConnection(url);
  try {
    await connection.query(`CREATE USER ${name}@'%' IDENTIFIED BY '${password}' ${requirement}`);
    if (privileges !== "") await connection.query(`GRANT ${privileges} ON ${own.pathname.slice(1)}.* TO ${name}@'%'`);
  } finally {
    await connection.end();
  }
  own.username = name;
  own.password = password;
  return { name, password, url: own.href };
}

export const ROW_PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE";
export const SCHEMA_PRIVILEGES = "CREATE, ALTER, DROP, INDEX";
