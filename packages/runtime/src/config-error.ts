/** sysexits.h EX_CONFIG: the process is configured wrongly, and trying again does not help. */
const exitCodeConfig = 78;

/** What is wrong with the environment. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** One line each, beginning with its variable's name. Never holds a secret's value. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

/** Ends the process on a `ConfigError`, with each fault on standard error; throws any other error again. */
export function exitOnConfigError(error: unknown): never {
  if (!(error instanceof ConfigError)) throw error;
  for (const fault of error.faults) console.error(fault);
  process.exit(exitCodeConfig);
}
