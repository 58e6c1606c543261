import { isIP, isIPv6 } from "node:net";

/** The gRPC address of one API, or of several behind one name. */
export interface ApiAddress {
  /** A name or an IP address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

const addressPattern = /^(?:\[([^\]]+)\]|([A-Za-z0-9_.-]+)):(\d{1,5})$/;
/** Resolvers read text such as `10.1` as an IPv4 address in an old form. */
const numbersAlone = /^[\d.]+$/;

/** Reads `host:port`; IPv6 stands in brackets. Undefined: the text has another form. */
export function parseApiAddress(text: string): ApiAddress | undefined {
  const [, literal, name, digits] = addressPattern.exec(text) ?? [];
  const port = Number(digits ?? 0);
  if (port < 1 || port > 65_535) return undefined;
  if (literal !== undefined) return isIPv6(literal) ? { host: literal, port } : undefined;
  if (name === undefined) return undefined;
  return isIP(name) === 0 && numbersAlone.test(name) ? undefined : { host: name, port };
}

/** `host:port`, as `parseApiAddress` reads it. */
export function formatApiAddress({ host, port }: ApiAddress): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
