/** An HTTP request that an execution makes, as a user set it. */
export interface Webhook {
  readonly url: string;
  readonly method: WebhookMethod;
  readonly headers: Readonly<Record<string, string>>;
  /** A template; empty: a default payload. */
  readonly body: string;
  /** Empty: the default secret, where there is one. */
  readonly secretName: string;
  readonly contentMode: WebhookContentMode;
}

export const WEBHOOK_METHODS = ["POST", "PUT", "PATCH", "DELETE", "GET"] as const;
export type WebhookMethod = (typeof WEBHOOK_METHODS)[number];

/** How a CloudEvent is put into the request. */
export type WebhookContentMode = "BINARY" | "STRUCTURED";
