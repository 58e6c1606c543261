import { parseAddressRange } from "./address-range.js";

describe("a range of addresses", () => {
  it.each([
    ["10.0.0.0/8", "10.0.0.0", 8],
    ["0.0.0.0/0", "0.0.0.0", 0],
    ["192.0.2.7/32", "192.0.2.7", 32],
    ["FD00::/8", "fd00::", 8],
    ["::1/128", "::1", 128],
    ["::ffff:10.0.0.0/104", "10.0.0.0", 8],
  ])("is read from %s", (text, first, bits) => {
    expect(parseAddressRange(text)?.map(String)).toEqual([first, String(bits)]);
  });

  it.each([
    "",
    "10.0.0.0",
    "10.0.0.1/8",
    "10/8",
    "10.0.0.0/33",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "0x0a.0.0.0/8",
    "012.0.0.0/8",
    "fd00::1/8",
    "fd00::/129",
    "fe80::%eth0/10",
    "[fd00::]/8",
    "localhost/8",
    " 10.0.0.0/8",
    "::ffff:0:0/95",
  ])("is not read from %j", (text) => {
    expect(parseAddressRange(text)).toBeUndefined();
  });
});
