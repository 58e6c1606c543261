import { closeSync } from "node:fs";
import { isatty } from "node:tty";

const STANDARD_FDS = [0, 1, 2];

/**
 * Lets the process end in the ordinary way after its terminal has gone. At its end Node.js gives each terminal back as it
 * found it, and aborts where it cannot; it leaves alone what is closed.
 */
export function forgetLostTerminals(): void {
  const terminals = STANDARD_FDS.filter((fd) => isatty(fd));
  process.on("exit", () => {
    for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
  });
}
