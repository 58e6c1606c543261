import { parseWebhookSecrets } from "./webhook-secrets.js";

const secretOf = (bytes: number): string => `whsec_${Buffer.alloc(bytes, "k").toString("base64")}`;
const lineForm = "must be `name whsec_…`, the name 1 to 64 letters, digits, . _ -, the key 24 to 64 bytes in base64";

describe("a file of secrets", () => {
  it("has names with their keys, comments and blank lines", () => {
    const text = `\ufeff# of the old key\r\n\r\ndefault ${secretOf(24)}\r\n  billing\t${secretOf(64)}  \n#default whsec_x\ndefault ${secretOf(32)}`;
    const { secrets, faults } = parseWebhookSecrets(text);
    expect(faults).toEqual([]);
    expect(secrets.isEmpty).toBe(false);
    expect(secrets.keysOf("default")?.map((key) => key.length)).toEqual([24, 32]);
    expect(secrets.keysOf("billing")?.map((key) => key.length)).toEqual([64]);
    expect(secrets.keysOf("other")).toBeUndefined();
    expect(secrets.keysOf("constructor")).toBeUndefined();
  });

  it("takes base64 without its padding", () => {
    const { secrets } = parseWebhookSecrets(`a ${secretOf(25).replace(/=+$/, "")}`);
    expect(secrets.keysOf("a")?.[0]).toEqual(Buffer.alloc(25, "k"));
  });

  it.each([
    "default",
    secretOf(24),
    "default whsec_",
    `default ${secretOf(23)}`,
    `default ${secretOf(65)}`,
    `default ${secretOf(24).slice(6)}`,
    `default ${secretOf(24)} more`,
    "default whsec_not-base64-not-base64-not-base64",
    `default ${secretOf(25).replace("a2tr", "a2t")}`,
    `${"n".repeat(65)} ${secretOf(24)}`,
    `ü ${secretOf(24)}`,
  ])("is at fault in a line %s, by its number", (line) => {
    const { faults } = parseWebhookSecrets(`# first\n\n${line}\ndefault ${secretOf(32)}`);
    expect(faults).toEqual([`line 3 ${lineForm}`]);
  });

  it("is at fault with asymmetric keys, with too many of one name, and with none", () => {
    expect(parseWebhookSecrets("default whsk_abc").faults).toEqual([
      "line 1 has an asymmetric key (whsk_), which is not supported",
    ]);
    expect(parseWebhookSecrets(`a ${secretOf(24)}\n`.repeat(11)).faults).toEqual([
      "line 11 is one more than 10 secrets of one name",
    ]);
    expect(parseWebhookSecrets("# nothing\n").faults).toEqual(["the file has no secret"]);
  });

  it("that is another file is told of by its first lines alone", () => {
    const { faults } = parseWebhookSecrets("-----BEGIN\n".repeat(1_000));
    expect(faults).toHaveLength(20);
  });

  it("shows no key to those who print it", () => {
    const { secrets } = parseWebhookSecrets(`default ${secretOf(24)}`);
    expect(JSON.stringify(secrets)).toBe('{"isEmpty":false}');
  });
});
