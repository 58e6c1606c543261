import { readConnectTimeout, readGrpcTimeout, settleTimeout } from "./call-timeout.js";

describe("grpc-timeout", () => {
  it.each(["0S", "1n", "99999999u", "30S", "99999999m", "35791M", "596H", "2147483S"])("%s is usable", (text) => {
    expect(readGrpcTimeout(text)).toEqual({ kind: "usable" });
  });

  it.each(["2147484S", "35792M", "597H", "720H", "1194H", "99999999S", "99999999M", "99999999H"])(
    "%s is as good as none",
    (text) => {
      expect(readGrpcTimeout(text)).toEqual({ kind: "endless" });
    },
  );

  it.each(["", "S", "30", "30s", "30 S", "-1S", "1.5S", "123456789S", "30S, 30S", "x30S", "30Sx", "30SS"])(
    "%j is malformed",
    (text) => {
      expect(readGrpcTimeout(text)).toMatchObject({ kind: "malformed", violation: { field: "grpc-timeout" } });
    },
  );
});

describe("connect-timeout-ms", () => {
  it("is up to ten digits, and none where no timer can hold it", () => {
    for (const text of ["0", "1", "2147483647"]) expect(readConnectTimeout(text)).toEqual({ kind: "usable" });
    for (const text of ["2147483648", "2592000000", "9999999999"]) {
      expect(readConnectTimeout(text)).toEqual({ kind: "endless" });
    }
    for (const text of ["", "-1", "1.5", "30S", "12345678901", "1e3"]) {
      expect(readConnectTimeout(text)).toMatchObject({ kind: "malformed" });
    }
  });
});

describe("the headers of a call over HTTP", () => {
  const settled = (fields: Record<string, string>) => {
    const header = new Headers(fields);
    const fault = settleTimeout(header);
    return { fault: fault?.field, left: Object.fromEntries(header) };
  };

  it("lose an endless timeout of their protocol, and keep any other", () => {
    const web = { "content-type": "application/grpc-web+proto" };
    expect(settled({ ...web, "grpc-timeout": "720H" })).toEqual({ left: web });
    expect(settled({ ...web, "grpc-timeout": "30S" })).toEqual({ left: { ...web, "grpc-timeout": "30S" } });
    expect(settled({ "connect-timeout-ms": "2592000000" })).toEqual({ left: {} });
    expect(settled({ "grpc-timeout": "720H" })).toEqual({ left: { "grpc-timeout": "720H" } });
  });

  it("are at fault where the timeout has another form", () => {
    expect(settled({ "connect-timeout-ms": "30S" }).fault).toBe("connect-timeout-ms");
    expect(settled({ "content-type": "application/grpc-web", "grpc-timeout": "30" }).fault).toBe("grpc-timeout");
    expect(settled({ "grpc-timeout": "30" }).fault).toBeUndefined();
  });
});
