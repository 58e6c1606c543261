/** A port that is free at this moment, for a process that must come back on the same one. */
export function freePort(host?: string): Promise<number>;

/** Why a port cannot be bound (EADDRINUSE, EACCES, …), or undefined. */
export function portFault(port: number, host?: string): Promise<string | undefined>;
