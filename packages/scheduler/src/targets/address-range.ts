import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** The first address of a range, and how many of its bits all have in common. */
export type AddressRange = readonly [first: Address, prefixBits: number];

/** Of IPv4 addresses within `::ffff:0:0/96`. */
const mappedPrefixBits = 96;

/**
 * A range such as `10.0.0.0/8` or `fd00::/8`; undefined for anything else, also for one with bits behind its prefix, which
 * was meant to be another. IPv4 ranges in IPv6 spelling (`::ffff:10.0.0.0/104`) are taken for what they are.
 */
export function parseAddressRange(text: string): AddressRange | undefined {
  const [, address = "", prefix = ""] = /^([0-9a-f:.]+)\/(0|[1-9]\d{0,2})$/i.exec(text) ?? [];
  const family = isIP(address);
  const prefixBits = Number(prefix);
  if (family === 0 || prefixBits > (family === 4 ? 32 : 128)) return undefined;
  const first = parseAddress(address);
  if (family === 6 && first instanceof ipaddr.IPv4) {
    return prefixBits < mappedPrefixBits ? undefined : exactRange(first, prefixBits - mappedPrefixBits);
  }
  return exactRange(first, prefixBits);
}

function exactRange(first: Address, prefixBits: number): AddressRange | undefined {
  const bits = first
    .toByteArray()
    .map((byte) => byte.toString(2).padStart(8, "0"))
    .join("");
  return bits.slice(prefixBits).includes("1") ? undefined : [first, prefixBits];
}

/**
 * An address as sockets treat it: one of IPv4 in IPv6 spelling (`::ffff:127.0.0.1`) is one of IPv4.
 * @param text as `isIP` takes it
 */
export function parseAddress(text: string): Address {
  const address = ipaddr.parse(text);
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

export function isWithin(address: Address, ranges: readonly AddressRange[]): boolean {
  return ranges.some(([first, prefixBits]) => address.kind() === first.kind() && address.match(first, prefixBits));
}
