import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root: every script works from here, wherever it was called. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What can be made again at any time: generated protos, stamps, downloaded tools. Ignored by git. */
export const cacheDir = join(root, ".cache");

/** What must outlive a run: the private server's data. Ignored by git. */
export const dataDir = join(root, ".data");

/** Where npm puts the tools; plugins of buf are looked up on the PATH. */
export const binDir = join(root, "node_modules", ".bin");
