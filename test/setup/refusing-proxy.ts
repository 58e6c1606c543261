import { connect, createServer, type Socket } from "node:net";

/** An error that a server answers a statement with. */
export interface Refusal {
  readonly errno: number;
  /** Five characters. */
  readonly sqlState: string;
  readonly message: string;
}

/** A TCP proxy in front of a MariaDB server. It has the server refuse statements with an error number of the test's choice. */
export interface RefusingProxy {
  readonly port: number;
  /**
   * From now on the statements that match are refused, and do not run. With `afterRunning`, a compound statement runs, and
   * then fails with the error. With `times`, no more of them are.
   */
  refuse(
    statements: RegExp,
    refusal: Refusal,
    options?: { readonly afterRunning?: boolean; readonly times?: number },
  ): void;
  /** From now on no statement is refused. */
  allowAll(): void;
  /** The statements that were refused. */
  refused(): readonly string[];
  close(): Promise<void>;
}

const HEADER_BYTES = 4;
const COM_QUERY = 3;

/**
 * Each refused statement is replaced by a SIGNAL with the error, so that the server itself answers, in the order of the
 * statements of a connection.
 *
 * @param targetPort on 127.0.0.1, as the proxy itself
 */
export async function startRefusingProxy(targetPort: number): Promise<RefusingProxy> {
  const open = new Set<Socket>();
  const refused: string[] = [];
  let rule: ((sql: string) => string | undefined) | undefined;

  function rewrite(packet: Buffer): Buffer {
    const isCommand = packet[3] === 0 && packet[HEADER_BYTES] === COM_QUERY;
    if (!isCommand || rule === undefined) return packet;
    // Statements hold bytes that are no text.
    const sql = packet.toString("latin1", HEADER_BYTES + 1);
    const replacement = rule(sql);
    if (replacement === undefined) return packet;
    refused.push(sql);
    return queryPacket(replacement);
  }

  const server = createServer((caller) => {
    const target = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    let pending = Buffer.alloc(0);
    caller.on("data", (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      for (let size = packetSize(pending); size <= pending.length; size = packetSize(pending)) {
        target.write(rewrite(pending.subarray(0, size)));
        pending = pending.subarray(size);
      }
    });
    target.pipe(caller);
    for (const [socket, other] of [
      [caller, target],
      [target, caller],
    ] as const) {
      open.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    refuse(statements, refusal, { afterRunning = false, times = Number.POSITIVE_INFINITY } = {}) {
      const signal = signalOf(refusal);
      let left = times;
      rule = (sql) => {
        if (left === 0 || !statements.test(sql)) return undefined;
        left -= 1;
        return afterRunning ? sql.replace(/; END$/, `; ${signal}; END`) : signal;
      };
    },
    allowAll() {
      rule = undefined;
    },
    refused: () => refused,
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      return closed;
    },
  };
}

function signalOf({ errno, sqlState, message }: Refusal): string {
  return `SIGNAL SQLSTATE '${sqlState}' SET MYSQL_ERRNO = ${errno}, MESSAGE_TEXT = '${message}'`;
}

/** The length of the first packet, header included. Infinity: the header has not arrived. */
function packetSize(bytes: Buffer): number {
  return bytes.length < HEADER_BYTES ? Number.POSITIVE_INFINITY : HEADER_BYTES + bytes.readUIntLE(0, 3);
}

function queryPacket(sql: string): Buffer {
  const text = Buffer.from(sql, "latin1");
  const packet = Buffer.alloc(HEADER_BYTES + 1 + text.length);
  packet.writeUIntLE(1 + text.length, 0, 3);
  packet[HEADER_BYTES] = COM_QUERY;
  text.copy(packet, HEADER_BYTES + 1);
  return packet;
}
