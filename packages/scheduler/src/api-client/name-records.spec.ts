import { NameRecords } from "./name-records.js";

const WAIT_MS = 20;
const never = new Promise<never>(() => undefined);

describe("records of names", () => {
  it("are all that a name has, asked for anew each time", async () => {
    const answers = [["10.0.0.1", "10.0.0.2", "10.0.0.1"], ["fd00::3"]];
    const records = new NameRecords(async () => answers.shift() ?? []);
    expect(await records.addressesOf("api")).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(await records.addressesOf("api")).toEqual(["fd00::3"]);
  });

  it("are not asked for where the host is an address", async () => {
    const records = new NameRecords(() => {
      throw new Error("asked");
    });
    expect(await records.addressesOf("127.0.0.2")).toEqual(["127.0.0.2"]);
    expect(await records.addressesOf("::1")).toEqual(["::1"]);
  });

  it("are those of before while the name cannot be resolved", async () => {
    const answers = [Promise.resolve(["10.0.0.1"]), Promise.reject(new Error("SERVFAIL")), Promise.resolve([])];
    const records = new NameRecords(() => answers.shift() ?? never);
    for (let count = 0; count < 3; count += 1) expect(await records.addressesOf("api")).toEqual(["10.0.0.1"]);
  });

  it("are waited for no longer than the limit, one look-up at a time, and count when they come", async () => {
    let asked = 0;
    let answer: (addresses: string[]) => void = () => undefined;
    const records = new NameRecords(() => {
      asked += 1;
      return new Promise((resolve) => {
        answer = resolve;
      });
    }, WAIT_MS);
    expect(await records.addressesOf("api")).toEqual([]);
    expect(await records.addressesOf("api")).toEqual([]);
    expect(asked).toBe(1);
    answer(["10.0.0.1"]);
    expect(await records.addressesOf("api")).toEqual(["10.0.0.1"]);
  });

  it("come from the machine's resolver by default", async () => {
    const found = await new NameRecords().addressesOf("localhost");
    expect(found.some((address) => address === "127.0.0.1" || address === "::1")).toBe(true);
    expect(await new NameRecords().addressesOf("nobody.invalid")).toEqual([]);
  });
});
