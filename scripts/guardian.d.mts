/**
 * Watches over processes on behalf of this one: where it dies without a word, they get SIGTERM, 15 seconds, SIGKILL, and the
 * folders are removed.
 */
export function guard(pids: readonly number[], folders?: readonly string[]): { dismiss(): void };
