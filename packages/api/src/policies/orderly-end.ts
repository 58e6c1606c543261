import { createContextKey } from "@connectrpc/connect";
import { ServiceError } from "@taskscheduler/domain";

/**
 * Aborted when a stream should end, with the error to end with, as soon as its reader can go on elsewhere without a loss:
 * a watch once it has a token. A transport sets the signal; a stream that does not know the key goes on.
 */
export const orderlyEnd = createContextKey<AbortSignal>(new AbortController().signal, {
  description: "a signal that asks a stream to end",
});

/** The error for streams on a connection that has reached its age. */
export function connectionAged(): ServiceError {
  return new ServiceError("CONNECTION_AGED", "this connection has reached its maximum age; go on over a new one");
}

/** An age that differs from connection to connection by up to a tenth, so that those made together do not end together. */
export function jitteredAgeMs(maxAgeMs: number): number {
  return maxAgeMs * (0.9 + 0.2 * Math.random());
}
