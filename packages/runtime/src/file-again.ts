import { readFile, stat } from "node:fs/promises";
import { ConfigError } from "./config-error.js";
import { systemErrorCode } from "./system-error.js";

const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Reads a file that a variable names while the process runs. Only a regular file is read: a pipe, such as the shell's
 * `<(…)`, gives its text once and would be waited for without end.
 *
 * @throws ConfigError
 */
export async function readFileAgain(variable: string, path: string): Promise<string> {
  try {
    const file = await stat(path);
    if (!file.isFile()) throw new ConfigError([`${variable}: must name a regular file to be read again`]);
    if (file.size > MAX_FILE_BYTES) throw new ConfigError([`${variable}: must name a file of at most 1 MiB`]);
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = systemErrorCode(error);
    throw new ConfigError([`${variable}: names a file that cannot be read${code === undefined ? "" : ` (${code})`}`]);
  }
}
