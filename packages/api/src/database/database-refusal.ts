/**
 * The database answers, and cannot be used as it is: somebody has to change it, or our configuration. The message is one
 * sentence for the operator, which `/readyz` shows: it names what to change, and holds no address, account or SQL.
 */
export class DatabaseRefusal extends Error {
  override readonly name: string = "DatabaseRefusal";
}
