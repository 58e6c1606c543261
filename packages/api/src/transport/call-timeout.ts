import { type FieldViolation, ServiceError } from "@taskscheduler/domain";

/** Node fires a longer timer at once, and gRPC's libraries set one for each deadline. */
const longestTimerMs = 2 ** 31 - 1;
const unitsMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000001 };

/** The timeout that a caller sent, as far as it can be kept. */
export type CallTimeout =
  | { readonly kind: "usable" }
  /** More than 24 days, which no timer can hold. The call gets no deadline. */
  | { readonly kind: "endless" }
  | { readonly kind: "malformed"; readonly violation: FieldViolation };

/** Reads the header `grpc-timeout`, of gRPC and gRPC-Web. */
export function readGrpcTimeout(text: string): CallTimeout {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  const unitMs = unitsMs[unit ?? ""];
  if (digits === undefined || unitMs === undefined) {
    return malformed("grpc-timeout", "must be up to 8 digits and a unit, one of H, M, S, m, u and n, such as 30S");
  }
  return judge(Number(digits) * unitMs);
}

/** Reads the header `connect-timeout-ms`. */
export function readConnectTimeout(text: string): CallTimeout {
  if (!/^\d{1,10}$/.test(text)) return malformed("connect-timeout-ms", "must be up to 10 digits, such as 30000");
  return judge(Number(text));
}

/**
 * Takes an endless timeout out of the headers of a call over Connect or gRPC-Web.
 * @returns what is wrong with the timeout
 */
export function settleTimeout(header: Headers): FieldViolation | undefined {
  const isGrpcWeb = header.get("content-type")?.startsWith("application/grpc-web") === true;
  const [name, read] = isGrpcWeb
    ? (["grpc-timeout", readGrpcTimeout] as const)
    : (["connect-timeout-ms", readConnectTimeout] as const);
  const text = header.get(name);
  if (text === null) return undefined;
  const timeout = read(text);
  if (timeout.kind === "endless") header.delete(name);
  return timeout.kind === "malformed" ? timeout.violation : undefined;
}

export function timeoutError(violation: FieldViolation): ServiceError {
  return new ServiceError("MALFORMED_REQUEST", `${violation.field}: ${violation.description}`, {
    violations: [violation],
  });
}

function judge(timeoutMs: number): CallTimeout {
  return { kind: timeoutMs > longestTimerMs ? "endless" : "usable" };
}

function malformed(field: string, description: string): CallTimeout {
  return { kind: "malformed", violation: { field, description } };
}
