/** A fault whose message is all that a user needs: it is shown without a stack. */
export class Fault extends Error {
  /**
   * @param {string} message what is wrong, and the way out
   * @param {{ exitCode?: number, cause?: unknown }} [options] the process's exit code, by default 1
   */
  constructor(message, { exitCode = 1, cause } = {}) {
    super(message, { cause });
    this.name = "Fault";
    this.exitCode = exitCode;
  }
}

/**
 * Runs a script's main function: a fault ends the process with its message and its exit code, a defect with its stack.
 *
 * @param {() => Promise<number | void>} main resolves to the exit code, by default 0
 */
export async function runMain(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    console.error(error instanceof Fault ? error.message : error);
    process.exitCode = error instanceof Fault ? error.exitCode : 1;
  }
}
