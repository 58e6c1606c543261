import { formatApiAddress, parseApiAddress } from "./api-address.js";

describe("an address of the API", () => {
  it.each([
    ["api:50051", "api", 50_051],
    ["api.example.com.:1", "api.example.com.", 1],
    ["task_api-2:80", "task_api-2", 80],
    ["10.0.0.1:65535", "10.0.0.1", 65_535],
    ["[::1]:1", "::1", 1],
    ["[fd00::10.0.0.1]:8", "fd00::10.0.0.1", 8],
  ])("%s is read and written as it stands", (text, host, port) => {
    expect(parseApiAddress(text)).toEqual({ host, port });
    expect(formatApiAddress({ host, port })).toBe(text);
  });

  it.each([
    ...[
      "api",
      "api:",
      ":1",
      "api:0",
      "api:65536",
      "api:-1",
      "api:1x",
      "api:1:2",
      "::1:50051",
      "[::1]",
      "[api]:1",
      "[]:1",
    ],
    ...["http://api:1", "api:1/", "user@api:1", "a b:1", "", " ", "10.1:1", "1.2.3.4.5:1", "999.1.1.1:1", "50051:1"],
  ])("%j is none", (text) => {
    expect(parseApiAddress(text)).toBeUndefined();
  });
});
