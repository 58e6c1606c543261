import type { LookupAddress } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import type { AddressJudge } from "../address-judge.js";
import { blocked } from "../refusal.js";

export interface GuardOptions {
  readonly judge: AddressJudge;
  readonly lookup: LookupFunction;
}

/** Looks a name up, and gives those of its addresses that may be called. Where there is none, it fails with a `Refusal`. */
export function createGuardedLookup({ judge, lookup }: GuardOptions): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found, family) => {
      if (error) {
        callback(error, []);
        return;
      }
      const addresses = typeof found === "string" ? [{ address: found, family: family ?? isIP(found) }] : found;
      const { allowed, refusal } = divide(addresses, judge);
      const [first] = allowed;
      if (first === undefined) callback(blocked(refusal ?? `${hostname} has no address`), []);
      else if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}

function divide(addresses: readonly LookupAddress[], judge: AddressJudge) {
  const allowed: LookupAddress[] = [];
  let refusal: string | undefined;
  for (const each of addresses) {
    const why = isIP(each.address) === 0 ? "the name stands for no address" : judge(each.address);
    if (why === undefined) allowed.push(each);
    else refusal ??= why;
  }
  return { allowed, refusal };
}
