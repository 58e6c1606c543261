import { isIP } from "node:net";
import { buildConnector } from "undici";
import { blocked } from "../refusal.js";
import { createGuardedLookup, type GuardOptions } from "./guarded-lookup.js";

const connectTimeoutMs = 10_000;
/** Before the next of a name's addresses is tried. Node's own 250 ms give up on receivers that are far away. */
const addressTimeoutMs = 1_000;
const maxCachedTlsSessions = 100;

/**
 * Opens connections to addresses that may be called, and to no others. An address is judged where the connection is made,
 * with the very value that goes to the socket: between a check and its use a name cannot come to mean something else.
 * `net.connect` looks no address up that is written as one, so those are judged before.
 */
export function createGuardedConnector({ judge, lookup }: GuardOptions): buildConnector.connector {
  const connect = buildConnector({
    allowH2: true,
    timeout: connectTimeoutMs,
    maxCachedSessions: maxCachedTlsSessions,
    lookup: createGuardedLookup({ judge, lookup }),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: addressTimeoutMs,
  });
  return (options, callback) => {
    const refusal = isIP(options.hostname) === 0 ? undefined : judge(options.hostname);
    if (refusal === undefined) connect(options, callback);
    else queueMicrotask(() => callback(blocked(refusal), null));
  };
}
