/** 0001-01-01T00:00:00Z: where `google.protobuf.Timestamp` begins. */
export const MIN_TIME_MS = -62_135_596_800_000;

/** 9999-12-31T23:59:59.999Z: where `google.protobuf.Timestamp` and MariaDB's `DATETIME` end. */
export const MAX_TIME_MS = 253_402_300_799_999;
