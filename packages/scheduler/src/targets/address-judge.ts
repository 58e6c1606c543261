import ipaddr from "ipaddr.js";
import { type Address, isWithin, parseAddress, parseAddressRange } from "./address-range.js";

/** Says why nothing may be sent to an address; undefined: something may. */
export type AddressJudge = (address: string) => string | undefined;

/**
 * Anything that is not global unicast is refused, unless an allowed range has it: such addresses lead to this machine, its
 * network or its cloud, which trust whoever is there.
 *
 * @param allowCidrs such as `10.0.0.0/8`; one of IPv4 also allows the IPv6 addresses that stand for its own
 * @throws RangeError for what is no range
 */
export function createAddressJudge(allowCidrs: readonly string[]): AddressJudge {
  const allowed = allowCidrs.map((text) => {
    const range = parseAddressRange(text);
    if (range === undefined) throw new RangeError("not a range of addresses");
    return range;
  });
  return (text) => {
    const address = parseAddress(text);
    const inner = embeddedAddress(address);
    const use = specialUse(inner ?? address);
    if (use === undefined || isWithin(address, allowed)) return undefined;
    if (inner !== undefined && isWithin(inner, allowed)) return undefined;
    const what = inner === undefined ? `${text} is` : `${text} stands for ${inner}, which is`;
    return `${what} ${use}; TARGET_ALLOW_CIDRS has no range with it`;
  };
}

/** Prefixes of 96 bits, behind which stands the IPv4 address that is reached: IPv4-compatible, and NAT64 (RFC 6052). */
const embeddingPrefixes = [ipaddr.IPv6.parse("::"), ipaddr.IPv6.parse("64:ff9b::")];
/** Unspecified and loopback: they look IPv4-compatible, and are not. */
const notEmbedding = [ipaddr.IPv6.parse("::"), ipaddr.IPv6.parse("::1")];

function embeddedAddress(address: Address): ipaddr.IPv4 | undefined {
  if (!(address instanceof ipaddr.IPv6) || notEmbedding.some((each) => address.match(each, 128))) return undefined;
  if (!embeddingPrefixes.some((prefix) => address.match(prefix, 96))) return undefined;
  return new ipaddr.IPv4(address.toByteArray().slice(-4));
}

/** Azure's, which a virtual machine reaches although it is a public one. The other clouds' are in ranges of special use. */
const metadataAddress = ipaddr.IPv4.parse("168.63.129.16");
/** What IANA gives out as global unicast; the rest of IPv6 is not given out. */
const globalUnicast = ipaddr.IPv6.parse("2000::");
const globalUnicastBits = 3;

const uses: Readonly<Record<string, string>> = {
  unspecified: "an unspecified address",
  broadcast: "the broadcast address",
  multicast: "a multicast address",
  linkLocal: "a link-local address",
  loopback: "a loopback address",
  carrierGradeNat: "an address of carrier-grade NAT",
  private: "a private address",
  uniqueLocal: "a unique-local address",
  deprecatedSiteLocal: "a site-local address",
  benchmarking: "an address for benchmarks",
  "6to4": "a 6to4 address",
  teredo: "a Teredo address",
  rfc6052: "an address of a local NAT64",
};

/** What an address is besides global unicast. What no name is known for is reserved: a newer library may know more. */
function specialUse(address: Address): string | undefined {
  const range = address.range();
  if (range !== "unicast") return uses[range] ?? "a reserved address";
  if (address instanceof ipaddr.IPv4) {
    return address.match(metadataAddress, 32) ? "a cloud's metadata address" : undefined;
  }
  return address.match(globalUnicast, globalUnicastBits) ? undefined : "a reserved address";
}
