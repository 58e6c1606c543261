import { closeSync, openSync, readSync } from "node:fs";
import { systemErrorCode } from "./system-error.js";

/** A variable's file is a URL, a certificate or a list of secrets. More than this is another file, or one without an end. */
const MAX_BYTES = 1024 * 1024;

/** Why a variable's file cannot be its value. The message names neither the path nor the content. */
export class TextFileError extends Error {
  override readonly name = "TextFileError";
}

/**
 * Reads a whole file as UTF-8, without its byte order mark.
 *
 * @throws TextFileError when the file cannot be read, has more than 1 MiB, or is not UTF-8
 */
export function readTextFile(path: string): string {
  const bytes = readBytes(path);
  if (bytes.length > MAX_BYTES) throw new TextFileError("names a file of more than 1 MiB");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new TextFileError("names a file that is not UTF-8 text");
  }
}

/** Reads one byte more than is allowed, at most: a device such as `/dev/zero` has no end. */
function readBytes(path: string): Buffer {
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  let length = 0;
  try {
    const file = openSync(path, "r");
    try {
      let count: number;
      do {
        count = readSync(file, buffer, length, buffer.length - length, null);
        length += count;
      } while (count > 0);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const code = systemErrorCode(error);
    throw new TextFileError(`names a file that cannot be read${code === undefined ? "" : ` (${code})`}`);
  }
  return buffer.subarray(0, length);
}
