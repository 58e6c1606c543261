import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { sign } from "./signature.js";
import { parseWebhookSecrets } from "./webhook-secrets.js";

function keysOf(...secrets: readonly string[]): readonly Buffer[] {
  const parsed = parseWebhookSecrets(secrets.map((secret) => `a ${secret}`).join("\n"));
  return parsed.secrets.keysOf("a") ?? [];
}

describe("a signature", () => {
  it("is that of the vector which the libraries of Standard Webhooks share", () => {
    const content = {
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      timestampSeconds: 1_614_265_330,
      body: Buffer.from('{"test": 2432232314}'),
    };
    const keys = keysOf("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    expect(sign(keys, content)).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  });

  it("is made with each key, and the library takes it by any of them", () => {
    const secrets = [24, 32, 64].map((bytes) => `whsec_${randomBytes(bytes).toString("base64")}`);
    const timestampSeconds = Math.floor(Date.now() / 1000);
    const body = Buffer.from("grüße 😀");
    const signature = sign(keysOf(...secrets), { id: "7_1790000000000", timestampSeconds, body });
    expect(signature.split(" ")).toHaveLength(3);
    const headers = {
      "webhook-id": "7_1790000000000",
      "webhook-timestamp": String(timestampSeconds),
      "webhook-signature": signature,
    };
    for (const secret of secrets) {
      expect(() => new Webhook(secret).verify(body, headers, { jsonParse: false })).not.toThrow();
    }
    const other = new Webhook(`whsec_${randomBytes(32).toString("base64")}`);
    expect(() => other.verify(body, headers)).toThrow("No matching signature");
  });
});
