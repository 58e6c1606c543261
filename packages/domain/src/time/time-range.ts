/** 0001-01-01T00:00:00Z, the first instant of a `google.protobuf.Timestamp`. */
export const MIN_TIME_MS = -62_135_596_800_000;

/** 9999-12-31T23:59:59.999Z, the last instant of a `google.protobuf.Timestamp` and of MariaDB's `DATETIME(3)`. */
export const MAX_TIME_MS = 253_402_300_799_999;
