import type { Connection } from "./connection.js";
import type { Connect } from "./connector.js";
import { Receiver } from "./receiver.js";

/** Time after which an idle receiver is forgotten, and its connections closed. */
const IDLE_MS = 10_000;
/** Maximum number of idle receivers. Beyond it the one that has been idle for longest goes. */
const MAX_IDLE_RECEIVERS = 256;

export interface Receivers {
  /** Runs an exchange with an origin, on a connection that may be an earlier exchange's. */
  run<T>(origin: string, exchange: (connection: Connection) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Closes all connections. Nothing may be run after it. */
  close(): void;
}

/** The receivers that are called, and those that were called a moment ago. */
export function createReceivers(connect: Connect): Receivers {
  const byOrigin = new Map<string, Receiver>();
  /** In the order in which they became idle. */
  const idle = new Map<string, NodeJS.Timeout>();

  function wake(origin: string): void {
    clearTimeout(idle.get(origin));
    idle.delete(origin);
  }

  function take(origin: string): Receiver {
    wake(origin);
    const receiver = byOrigin.get(origin) ?? new Receiver(origin, connect);
    byOrigin.set(origin, receiver);
    return receiver;
  }

  function rest(origin: string): void {
    wake(origin);
    idle.set(origin, setTimeout(drop, IDLE_MS, origin).unref());
    const [longestIdle] = idle.keys();
    if (idle.size > MAX_IDLE_RECEIVERS && longestIdle !== undefined) drop(longestIdle);
  }

  function drop(origin: string): void {
    wake(origin);
    byOrigin.get(origin)?.close();
    byOrigin.delete(origin);
  }

  return {
    async run(origin, exchange, signal) {
      const receiver = take(origin);
      try {
        return await receiver.run(exchange, signal);
      } finally {
        if (receiver.isIdle && byOrigin.get(origin) === receiver) rest(origin);
      }
    },
    close() {
      for (const timer of idle.values()) clearTimeout(timer);
      idle.clear();
      for (const receiver of byOrigin.values()) receiver.close();
      byOrigin.clear();
    },
  };
}
