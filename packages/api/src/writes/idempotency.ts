import { createHash } from "node:crypto";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { IdempotentRequest, WriteCommand } from "./write-command.js";

/**
 * How a request that names itself by a UUID is told from another, and its answer kept. Undefined when it does not.
 * The content is compared as text with sorted keys: a map's order on the wire means nothing.
 */
export function idempotentRequest<I extends DescMessage, O extends DescMessage>(
  input: I,
  output: O,
  request: MessageShape<I> & { readonly requestId: string; readonly validateOnly: boolean },
): IdempotentRequest<MessageShape<O>> | undefined {
  if (request.requestId === "" || request.validateOnly) return undefined;
  const content = JSON.stringify({ ...request, requestId: "" }, (_key, value) => canonical(value));
  return {
    id: request.requestId,
    fingerprint: createHash("sha256").update(input.typeName).update("\0").update(content).digest(),
    encode: (answer) => toBinary(output, answer),
    decode: (bytes) => fromBinary(output, bytes),
  };
}

/** What every command of a request says of itself. */
export type CommandBase<T> = Pick<WriteCommand<T>, "keys" | "weight" | "validateOnly" | "request">;

export function commandBase<T>(
  identity: IdempotentRequest<T> | undefined,
  validateOnly: boolean,
  keys: readonly string[],
  weight = 1,
): CommandBase<T> {
  const base = { weight, validateOnly };
  return identity === undefined
    ? { ...base, keys }
    : { ...base, keys: [...keys, `request:${identity.id.toLowerCase()}`], request: identity };
}

function canonical(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
