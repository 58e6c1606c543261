/** Signing keys by their name. Nothing shows them: no property holds one. */
export interface WebhookSecrets {
  readonly isEmpty: boolean;
  /** All keys of a name, the first of the file first; undefined: none. */
  keysOf(name: string): readonly Buffer[] | undefined;
}

/** The secrets of one reading of a file. */
export interface ListedSecrets extends WebhookSecrets {
  names(): readonly string[];
}

export const noWebhookSecrets: ListedSecrets = createWebhookSecrets(new Map());

/** Standard Webhooks 1.0.0. */
const minKeyBytes = 24;
const maxKeyBytes = 64;
/** Each makes a signature in a header of every request. */
const maxKeysOfName = 10;
/** As tasks name them. */
const nameForm = /^[\w.-]{1,64}$/;
/** More lines than this say no more. */
const maxFaults = 20;

const lineForm = `must be \`name whsec_…\`, the name 1 to 64 letters, digits, . _ -, the key ${minKeyBytes} to ${maxKeyBytes} bytes in base64`;

export interface ParsedSecrets {
  readonly secrets: ListedSecrets;
  /** One a line, by its number; they repeat nothing of it. */
  readonly faults: readonly string[];
}

/** Reads lines of `name whsec_…`. Several of one name sign side by side. Blank lines and those after a `#` are left out. */
export function parseWebhookSecrets(text: string): ParsedSecrets {
  const keys = new Map<string, Buffer[]>();
  const faults: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const fault = addLine(keys, line.trim());
    if (fault === undefined) continue;
    faults.push(`line ${index + 1} ${fault}`);
    if (faults.length === maxFaults) break;
  }
  if (faults.length === 0 && keys.size === 0) faults.push("the file has no secret");
  return { secrets: createWebhookSecrets(keys), faults };
}

function addLine(keys: Map<string, Buffer[]>, line: string): string | undefined {
  if (line === "" || line.startsWith("#")) return undefined;
  const [name = "", secret = "", ...rest] = line.split(/\s+/);
  if (secret.startsWith("whsk_")) return "has an asymmetric key (whsk_), which is not supported";
  const key = decodeKey(secret);
  if (key === undefined || rest.length > 0 || !nameForm.test(name)) return lineForm;
  const ofName = keys.get(name) ?? [];
  if (ofName.length === maxKeysOfName) return `is one more than ${maxKeysOfName} secrets of one name`;
  keys.set(name, [...ofName, key]);
  return undefined;
}

function decodeKey(secret: string): Buffer | undefined {
  const [, base64 = ""] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const key = Buffer.from(base64, "base64");
  const isWhole = key.toString("base64").replace(/=+$/, "") === base64.replace(/=+$/, "");
  return isWhole && key.length >= minKeyBytes && key.length <= maxKeyBytes ? key : undefined;
}

function createWebhookSecrets(keys: ReadonlyMap<string, readonly Buffer[]>): ListedSecrets {
  return Object.freeze({
    isEmpty: keys.size === 0,
    names: () => [...keys.keys()],
    keysOf: (name: string) => keys.get(name),
  });
}

/** Whether every name has the same keys in the same order. */
export function hasSameKeys(one: ListedSecrets, other: ListedSecrets): boolean {
  const [names, otherNames] = [one.names(), other.names()];
  const isSame = (name: string): boolean => {
    const [keys = [], otherKeys = []] = [one.keysOf(name), other.keysOf(name)];
    return keys.length === otherKeys.length && keys.every((key, index) => otherKeys[index]?.equals(key));
  };
  return names.length === otherNames.length && names.every(isSame);
}
