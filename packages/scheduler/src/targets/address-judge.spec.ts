import { createAddressJudge } from "./address-judge.js";

/** The host of a URL as a connection is given it. */
function hostOf(host: string): string {
  return new URL(`http://${host}/`).hostname.replace(/^\[|\]$/g, "");
}

const judge = createAddressJudge([]);

describe("addresses that may not be called", () => {
  it.each([
    ["127.0.0.1", "a loopback address"],
    ["127.255.255.254", "a loopback address"],
    ["127.1", "a loopback address"],
    ["2130706433", "a loopback address"],
    ["0x7f000001", "a loopback address"],
    ["0x7f.1", "a loopback address"],
    ["0177.0.0.1", "a loopback address"],
    ["017700000001", "a loopback address"],
    ["127.0.0.1.", "a loopback address"],
    ["%31%32%37.0.0.1", "a loopback address"],
    ["１２７.０.０.１", "a loopback address"],
    ["127。0。0。1", "a loopback address"],
    ["[::1]", "a loopback address"],
    ["[0:0:0:0:0:0:0:1]", "a loopback address"],
    ["[::ffff:127.0.0.1]", "a loopback address"],
    ["[::ffff:7f00:1]", "a loopback address"],
    ["[0:0:0:0:0:ffff:7f00:0001]", "a loopback address"],
    ["[::127.0.0.1]", "a loopback address"],
    ["[64:ff9b::127.0.0.1]", "a loopback address"],
    ["0", "an unspecified address"],
    ["0.0.0.0", "an unspecified address"],
    ["0.1.2.3", "an unspecified address"],
    ["[::]", "an unspecified address"],
    ["[::ffff:0.0.0.0]", "an unspecified address"],
    ["10.0.0.1", "a private address"],
    ["172.16.0.1", "a private address"],
    ["172.31.255.255", "a private address"],
    ["192.168.1.1", "a private address"],
    ["[::ffff:192.168.1.1]", "a private address"],
    ["[64:ff9b::10.0.0.1]", "a private address"],
    ["169.254.169.254", "a link-local address"],
    ["[::ffff:169.254.169.254]", "a link-local address"],
    ["[64:ff9b::a9fe:a9fe]", "a link-local address"],
    ["[fe80::1]", "a link-local address"],
    ["[febf::1]", "a link-local address"],
    ["[fd00:ec2::254]", "a unique-local address"],
    ["[fc00::1]", "a unique-local address"],
    ["[fec0::1]", "a site-local address"],
    ["100.64.0.1", "an address of carrier-grade NAT"],
    ["100.100.100.200", "an address of carrier-grade NAT"],
    ["168.63.129.16", "a cloud's metadata address"],
    ["224.0.0.1", "a multicast address"],
    ["239.255.255.255", "a multicast address"],
    ["[ff02::1]", "a multicast address"],
    ["255.255.255.255", "the broadcast address"],
    ["192.0.0.192", "a reserved address"],
    ["192.0.2.1", "a reserved address"],
    ["198.51.100.1", "a reserved address"],
    ["203.0.113.1", "a reserved address"],
    ["198.18.0.1", "a reserved address"],
    ["192.88.99.1", "a reserved address"],
    ["240.0.0.1", "a reserved address"],
    ["[2001:db8::1]", "a reserved address"],
    ["[3fff::1]", "a reserved address"],
    ["[2001:2::1]", "an address for benchmarks"],
    ["[2001::1]", "a Teredo address"],
    ["[2002:7f00:1::1]", "a 6to4 address"],
    ["[2002:808:808::1]", "a 6to4 address"],
    ["[64:ff9b:1::808:808]", "an address of a local NAT64"],
    ["[::ffff:0:127.0.0.1]", "a reserved address"],
    ["[100::1]", "a reserved address"],
    ["[4000::1]", "a reserved address"],
    ["[5f00::1]", "a reserved address"],
  ])("%s is %s", (host, use) => {
    expect(judge(hostOf(host))).toContain(`is ${use}; TARGET_ALLOW_CIDRS has no range with it`);
  });

  it("a zone makes no other address of one", () => {
    expect(judge("fe80::1%eth0")).toContain("is a link-local address");
    expect(judge("::1%lo")).toContain("is a loopback address");
  });

  it("is told with the address that was to be called, and the one that it stands for", () => {
    expect(judge("127.0.0.1")).toBe("127.0.0.1 is a loopback address; TARGET_ALLOW_CIDRS has no range with it");
    expect(judge("64:ff9b::a00:1")).toBe(
      "64:ff9b::a00:1 stands for 10.0.0.1, which is a private address; TARGET_ALLOW_CIDRS has no range with it",
    );
  });
});

describe("addresses that may be called", () => {
  it.each([
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "169.253.255.255",
    "[2606:4700:4700::1111]",
    "[2a00:1450:4001::1]",
    "[::ffff:8.8.8.8]",
    "[::8.8.8.8]",
    "[64:ff9b::8.8.8.8]",
  ])("%s is a public one", (host) => {
    expect(judge(hostOf(host))).toBeUndefined();
  });

  it.each([
    ["127.0.0.0/8", "127.1.2.3"],
    ["127.0.0.0/8", "::ffff:7f00:1"],
    ["10.0.0.0/8", "::ffff:10.1.2.3"],
    ["10.0.0.0/8", "64:ff9b::a00:1"],
    ["10.0.0.0/8", "::a00:1"],
    ["::ffff:10.0.0.0/104", "10.1.2.3"],
    ["192.168.7.9/32", "192.168.7.9"],
    ["::1/128", "::1"],
    ["fd00::/8", "fd12:3456::1"],
    ["64:ff9b:1::/48", "64:ff9b:1::1"],
  ])("%s allows %s", (range, address) => {
    expect(createAddressJudge(["203.0.113.0/24", range])(address)).toBeUndefined();
  });

  it.each([
    ["10.0.0.0/8", "11.0.0.1", undefined],
    ["10.0.0.0/8", "172.16.0.1", "a private address"],
    ["192.168.7.9/32", "192.168.7.8", "a private address"],
    ["::/0", "127.0.0.1", "a loopback address"],
    ["::/0", "::ffff:127.0.0.1", "a loopback address"],
    ["0.0.0.0/0", "::1", "a loopback address"],
    ["0.0.0.0/0", "fd00::1", "a unique-local address"],
  ])("%s does not make another of %s", (range, address, use) => {
    const refusal = createAddressJudge([range])(address);
    if (use === undefined) expect(refusal).toBeUndefined();
    else expect(refusal).toContain(use);
  });
});
