export function findLibfaketime(): string | undefined;
export function ensureLibfaketimeInstalled(options?: { log?: (line: string) => void }): Promise<void>;
