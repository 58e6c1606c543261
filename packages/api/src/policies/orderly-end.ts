import { createContextKey } from "@connectrpc/connect";
import { ServiceError } from "@taskscheduler/domain";

/**
 * The context value that asks a stream to end as soon as its reader can resume without a loss. The transport aborts the
 * signal with the error for the reader. A watch ends once its reader has a token; a stream that ignores the value goes on.
 */
export const orderlyEnd = createContextKey<AbortSignal>(new AbortController().signal, {
  description: "a signal that asks a stream to end",
});

/** The error that ends streams on a connection that has reached its maximum age. */
export function connectionAged(): ServiceError {
  return new ServiceError("CONNECTION_AGED", "this connection has reached its maximum age; go on over a new one");
}

/** The maximum age, more or less a tenth at random: connections that began together do not end together. */
export function jitteredAgeMs(maxAgeMs: number): number {
  return maxAgeMs * (0.9 + 0.2 * Math.random());
}
