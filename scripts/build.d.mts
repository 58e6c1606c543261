/** Compiles what changed. Throws a Fault where the protos or the sources are wrong. */
export function build(): Promise<void>;
