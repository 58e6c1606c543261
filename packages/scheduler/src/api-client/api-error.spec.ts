import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, status } from "@grpc/grpc-js";
import { ErrorInfoSchema, StatusSchema } from "@taskscheduler/proto";
import { ApiError, causeToLeave, failureLevel, verdictOn } from "./api-error.js";

function serviceError(code: number, reason?: string): Error {
  const metadata = new Metadata();
  if (reason !== undefined) {
    const details = [anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason, domain: "taskscheduler" }))];
    metadata.set(
      "grpc-status-details-bin",
      Buffer.from(toBinary(StatusSchema, create(StatusSchema, { code, details }))),
    );
  }
  return Object.assign(new Error("text"), { code, details: "text", metadata });
}

describe("API errors", () => {
  it("carry the reason that the API gave", () => {
    const error = ApiError.from(serviceError(status.FAILED_PRECONDITION, "INCARNATION_ENDED"));
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, reason: "INCARNATION_ENDED", message: "text" });
    expect(error.isIncarnationEnded).toBe(true);
    expect(ApiError.from(error)).toBe(error);
  });

  it("tell an ended incarnation from other refusals", () => {
    expect(ApiError.from(serviceError(status.FAILED_PRECONDITION, "TASK_COMPLETED")).isIncarnationEnded).toBe(false);
    expect(ApiError.from(serviceError(status.UNAVAILABLE, "INCARNATION_ENDED")).isIncarnationEnded).toBe(false);
  });

  it("bear details that cannot be read, and errors of any other kind", () => {
    const error = serviceError(status.UNAVAILABLE) as Error & { metadata: Metadata };
    error.metadata.set("grpc-status-details-bin", Buffer.from([255, 255]));
    expect(ApiError.from(error).reason).toBe("");
    expect(ApiError.from("text")).toMatchObject({ code: status.UNKNOWN, message: "text" });
    expect(ApiError.from(new TypeError("text"))).toMatchObject({ code: status.UNKNOWN });
  });

  it("are logged by whose fault they are", () => {
    expect(failureLevel(new ApiError(status.UNAVAILABLE, ""))).toBe("debug");
    expect(failureLevel(new ApiError(status.INTERNAL, ""))).toBe("warn");
    expect(failureLevel(new TypeError("a defect"))).toBe("error");
    expect(failureLevel(ApiError.from(serviceError(status.RESOURCE_EXHAUSTED, "DATABASE_FULL")))).toBe("debug");
    expect(failureLevel(ApiError.from(serviceError(status.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE")))).toBe("warn");
  });

  it.each([
    [status.INVALID_ARGUMENT, "INVALID_FIELD", "PERMANENT"],
    [status.OUT_OF_RANGE, "RESUME_TOKEN_EXPIRED", "PERMANENT"],
    [status.RESOURCE_EXHAUSTED, undefined, "TOO_LARGE"],
    [status.RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE", "TOO_LARGE"],
    [status.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS", undefined],
    [status.RESOURCE_EXHAUSTED, "QUERY_TOO_SLOW", undefined],
    [status.RESOURCE_EXHAUSTED, "DATABASE_FULL", undefined],
    [status.RESOURCE_EXHAUSTED, "IDS_EXHAUSTED", undefined],
    [status.UNAVAILABLE, "DATABASE_UNAVAILABLE", undefined],
    [status.UNAVAILABLE, "DATABASE_MISCONFIGURED", undefined],
    [status.INTERNAL, "INTERNAL", undefined],
  ])("of code %d with the reason %s judge the content as %s", (code, reason, verdict) => {
    expect(verdictOn(serviceError(code, reason))).toBe(verdict);
  });

  it("say whether the API that failed the call can do its job", () => {
    const causeOf = (code: number, reason?: string) => causeToLeave(serviceError(code, reason));
    expect(causeOf(status.UNAVAILABLE, "CONNECTION_AGED")).toBe("aged");
    expect(causeOf(status.UNAVAILABLE, "SHUTTING_DOWN")).toBe("stopping");
    expect(causeOf(status.UNAVAILABLE, "DATABASE_UNAVAILABLE")).toBe("unfit");
    const { UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, INTERNAL, UNIMPLEMENTED, UNKNOWN } = status;
    for (const code of [UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, INTERNAL, UNIMPLEMENTED, UNKNOWN]) {
      expect(causeOf(code)).toBe("unfit");
    }
    const { FAILED_PRECONDITION, INVALID_ARGUMENT, OUT_OF_RANGE, RESOURCE_EXHAUSTED } = status;
    for (const code of [FAILED_PRECONDITION, INVALID_ARGUMENT, OUT_OF_RANGE, RESOURCE_EXHAUSTED]) {
      expect(causeOf(code)).toBeUndefined();
    }
  });
});
