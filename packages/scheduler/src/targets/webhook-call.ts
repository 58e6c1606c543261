/** One attempt at a target: what a claim says is to be called. */
export interface WebhookCall {
  readonly url: string;
  /** `POST`, `PUT`, `PATCH`, `DELETE` or `GET`. */
  readonly method: string;
  /** The user's. Those that belong to the connection, the event or the signature are not sent: `user-headers.ts`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Rendered. Empty: a JSON object that says which execution it is; a `GET` never has a body. */
  readonly body: string;
  /** Of the keys to sign with; empty: `default`. */
  readonly secretName: string;
  readonly contentMode: ContentMode;
  /** For the whole attempt: waiting for a connection, connecting, TLS, headers and body. */
  readonly timeoutMs: number;
  readonly taskId: number;
  readonly taskName: string;
  /** The same at each attempt, such as `7.1790000000000`. */
  readonly executionId: string;
  readonly scheduledTimeMs: number;
  /** From 1. */
  readonly attempt: number;
  /** `SCHEDULE`, `MANUAL`, `CATCH_UP` or `BACKFILL`. */
  readonly trigger: string;
}

/** Where a CloudEvent's attributes stand: in headers beside the body, or in a JSON envelope around it. */
export type ContentMode = "BINARY" | "STRUCTURED";
