import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { createAddressJudge } from "../address-judge.js";
import { createGuardedLookup } from "./guarded-lookup.js";

function ask(addresses: readonly string[], { all = true } = {}): unknown[] {
  const found: LookupAddress[] = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  const lookup: LookupFunction = (_, __, callback) => callback(null, found);
  const answers: unknown[] = [];
  createGuardedLookup({ judge: createAddressJudge([]), lookup })("a.example", { all }, (...answer) => {
    answers.push(...answer);
  });
  return answers;
}

describe("a look-up", () => {
  it("gives those addresses of a name that may be called, in their order", () => {
    expect(ask(["127.0.0.1", "2606:4700::1", "10.0.0.1", "8.8.8.8"])).toEqual([
      null,
      [
        { address: "2606:4700::1", family: 6 },
        { address: "8.8.8.8", family: 4 },
      ],
    ]);
    expect(ask(["::1", "8.8.8.8"], { all: false })).toEqual([null, "8.8.8.8", 4]);
  });

  it.each([
    [["127.0.0.1", "10.0.0.1"], /^blocked: 127\.0\.0\.1 is a loopback address/],
    [["fe80::1%eth0"], /^blocked: fe80::1%eth0 is a link-local address/],
    [["nonsense"], /^blocked: the name stands for no address$/],
    [[], /^blocked: a\.example has no address$/],
  ])("fails where a name has only %j", (addresses, message) => {
    expect(ask(addresses)[0]).toMatchObject({ failure: "BLOCKED", message: expect.stringMatching(message) });
  });

  it("takes the one address of a resolver that knows no others", () => {
    const lookup: LookupFunction = (_, __, callback) => callback(null, "127.0.0.1", 4);
    const answers: unknown[] = [];
    const guarded = createGuardedLookup({ judge: createAddressJudge([]), lookup });
    guarded("a.example", { all: true }, (error) => answers.push(error));
    expect(answers).toEqual([expect.objectContaining({ failure: "BLOCKED" })]);
  });
});
