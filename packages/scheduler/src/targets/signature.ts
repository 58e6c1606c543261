import { createHmac } from "node:crypto";

export interface SignedContent {
  /** `webhook-id`. */
  readonly id: string;
  /** `webhook-timestamp`. */
  readonly timestampSeconds: number;
  /** As it is sent. */
  readonly body: Buffer;
}

/** The value of `webhook-signature` (Standard Webhooks 1.0.0, scheme `v1`): one for each key, so that a receiver may hold any. */
export function sign(keys: readonly Buffer[], { id, timestampSeconds, body }: SignedContent): string {
  return keys
    .map((key) => `v1,${createHmac("sha256", key).update(`${id}.${timestampSeconds}.`).update(body).digest("base64")}`)
    .join(" ");
}
