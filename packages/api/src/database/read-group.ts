import type { Database, SqlConnection } from "./database.js";

/** Two: while the answer of one comes in, the next is read. */
const STATEMENTS_IN_FLIGHT = 2;
const KEYS_PER_STATEMENT = 256;

/** Reads the rows of keys with as few statements as it can; a key without a row is left out of the answer. */
export type ReadRows<K, V> = (connection: SqlConnection, keys: readonly K[]) => Promise<ReadonlyMap<K, V>>;

interface Waiting<V> {
  readonly answer: Promise<V | undefined>;
  readonly resolve: (value: V | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads by key that arrive together share a statement: what waits while the last ones are under way goes into the next.
 * No timer: an idle reader begins at once. Each is read after it was asked for, so it sees every write that was
 * acknowledged by then. Bounded by the calls under way.
 *
 * @returns reads one; undefined: there is none. Rejects with ServiceError.
 */
export function createReadGroup<K, V>(database: Database, read: ReadRows<K, V>): (key: K) => Promise<V | undefined> {
  let waiting = new Map<K, Waiting<V>>();
  let inFlight = 0;
  let isPumpDue = false;

  function pump(): void {
    isPumpDue = false;
    while (waiting.size > 0 && inFlight < STATEMENTS_IN_FLIGHT) {
      inFlight += 1;
      void readGroup(take()).finally(() => {
        inFlight -= 1;
        pump();
      });
    }
  }

  function take(): Map<K, Waiting<V>> {
    const all = waiting;
    if (all.size <= KEYS_PER_STATEMENT) {
      waiting = new Map();
      return all;
    }
    const entries = [...all];
    waiting = new Map(entries.slice(KEYS_PER_STATEMENT));
    return new Map(entries.slice(0, KEYS_PER_STATEMENT));
  }

  async function readGroup(group: ReadonlyMap<K, Waiting<V>>): Promise<void> {
    try {
      const rows = await database.lookUp(() =>
        database.withConnection((connection) => read(connection, [...group.keys()])),
      );
      for (const [key, { resolve }] of group) resolve(rows.get(key));
    } catch (error) {
      for (const { reject } of group.values()) reject(error);
    }
  }

  return (key) => {
    const known = waiting.get(key);
    if (known !== undefined) return known.answer;
    const { promise: answer, ...settle } = withResolvers<V | undefined>();
    waiting.set(key, { answer, ...settle });
    if (!isPumpDue && inFlight < STATEMENTS_IN_FLIGHT) {
      isPumpDue = true;
      // Requests that arrive in one turn of the event loop begin together.
      setImmediate(pump);
    }
    return answer;
  };
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((fulfil, fail) => {
    resolve = fulfil;
    reject = fail;
  });
  return { promise, resolve, reject };
}
