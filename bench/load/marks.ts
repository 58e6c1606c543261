const MARK = "change ";
const DIGITS = 6;

/** How a change is marked: in its description, where it is found without decoding the message. */
export function markOf(index: number): string {
  return `${MARK}${String(index).padStart(DIGITS, "0")}`;
}

/** The number of the change that a message tells of. */
export function markIn(bytes: Buffer): number | undefined {
  const at = bytes.indexOf(MARK);
  return at < 0 ? undefined : Number(bytes.toString("latin1", at + MARK.length, at + MARK.length + DIGITS));
}
