/** A call that is not sent. The message is for users: it tells no secret. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly failure: "BLOCKED" | "SECRET_UNKNOWN";

  constructor(failure: "BLOCKED" | "SECRET_UNKNOWN", message: string) {
    super(message);
    this.failure = failure;
  }
}

export function blocked(why: string): Refusal {
  return new Refusal("BLOCKED", `blocked: ${why}`);
}
