import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** A key and a certificate that it signs itself, as PEM: for a server at `localhost` and `127.0.0.1`, valid for a day. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}

const DAY_MS = 86_400_000;
/** X.690's tags. */
const [BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID, UTF8, UTC_TIME] = [1, 2, 3, 4, 6, 12, 23];
const [SEQUENCE, SET] = [0x30, 0x31];
/** Of a context, such as [0]: primitive, and constructed. */
const [PRIMITIVE, CONSTRUCTED] = [0x80, 0xa0];
const ECDSA_WITH_SHA256 = "2a8648ce3d040302";
const [COMMON_NAME, ALTERNATIVE_NAMES, BASIC_CONSTRAINTS] = ["550403", "551d11", "551d13"];

/**
 * By RFC 5280: neither Node.js nor a clean machine has a tool that makes a certificate.
 *
 * @param commonName the certificate's subject. OpenSSL looks for a CA by it.
 */
export function createIdentity(commonName = "localhost"): Identity {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const algorithm = der(SEQUENCE, oid(ECDSA_WITH_SHA256));
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, oid(COMMON_NAME), der(UTF8, Buffer.from(commonName)))));
  const names = [der(PRIMITIVE | 2, Buffer.from("localhost")), der(PRIMITIVE | 7, Buffer.from([127, 0, 0, 1]))];
  const extensions = [
    extension(ALTERNATIVE_NAMES, der(SEQUENCE, ...names)),
    extension(BASIC_CONSTRAINTS, der(SEQUENCE, der(BOOLEAN, Buffer.from([0xff])))),
  ];
  const signed = der(
    ...([SEQUENCE, der(CONSTRUCTED, der(INTEGER, Buffer.from([2]))), serialNumber(), algorithm, name] as const),
    ...[der(SEQUENCE, utcTime(Date.now() - DAY_MS), utcTime(Date.now() + DAY_MS)), name],
    ...[publicKey.export({ type: "spki", format: "der" }), der(CONSTRUCTED | 3, der(SEQUENCE, ...extensions))],
  );
  const signature = bits(sign("sha256", signed, privateKey));
  const body = der(SEQUENCE, signed, algorithm, signature)
    .toString("base64")
    .replace(/.{1,64}/g, "$&\n");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${body}-----END CERTIFICATE-----\n`,
  };
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const lengthBytes = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content]);
}

const oid = (hex: string): Buffer => der(OID, Buffer.from(hex, "hex"));
const bits = (bytes: Buffer): Buffer => der(BIT_STRING, Buffer.from([0]), bytes);
const extension = (id: string, value: Buffer): Buffer => der(SEQUENCE, oid(id), der(OCTET_STRING, value));
/** Positive. */
const serialNumber = (): Buffer => der(INTEGER, Buffer.from([1]), randomBytes(8));

function utcTime(timeMs: number): Buffer {
  const digits = new Date(timeMs).toISOString().replace(/\D/g, "");
  return der(UTC_TIME, Buffer.from(`${digits.slice(2, 14)}Z`));
}
