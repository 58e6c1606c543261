/** A fault whose message is all that a user needs: it is shown without a stack. */
export class Fault extends Error {
  constructor(message: string, options?: { exitCode?: number; cause?: unknown });
  readonly exitCode: number;
}

/** Runs a script's main function, which resolves to the exit code, by default 0. */
export function runMain(main: () => Promise<number | undefined>): Promise<void>;
