import type { buildConnector, Dispatcher } from "undici";
import { Receiver } from "./receiver.js";

/** An idle receiver's connections are closed after this; undici never closes an idle one of HTTP/2 by itself. */
const idleMs = 10_000;
/** Beyond, the one that has been idle for longest goes. */
const maxIdleReceivers = 256;

export interface Receivers {
  /** Runs an exchange with an origin, on a connection that may be an earlier exchange's. */
  run<T>(origin: string, exchange: (dispatcher: Dispatcher) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Fails what is under way. Nothing may be run after it. */
  close(): Promise<void>;
}

/** Those that are called, and those that were a moment ago. As many as there are calls under way, and some. */
export function createReceivers(connect: buildConnector.connector): Receivers {
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
    idle.set(origin, setTimeout(drop, idleMs, origin).unref());
    const [longestIdle] = idle.keys();
    if (idle.size > maxIdleReceivers && longestIdle !== undefined) drop(longestIdle);
  }

  function drop(origin: string): void {
    wake(origin);
    const receiver = byOrigin.get(origin);
    byOrigin.delete(origin);
    receiver?.close().catch(() => undefined);
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
    async close() {
      for (const timer of idle.values()) clearTimeout(timer);
      idle.clear();
      const receivers = [...byOrigin.values()];
      byOrigin.clear();
      await Promise.all(receivers.map((receiver) => receiver.close()));
    },
  };
}
