import type { Target } from "@taskscheduler/proto";

/** Half of what can be held at all. Below, there is room for everybody, and nothing is handed back. */
const muchClaims = 50_000;
const muchBytes = 128 * 1024 * 1024;
/** What a host may have of that then; what is more is handed back, to be claimed anew later. */
const maxClaimsPerHost = 10_000;
const maxBytesPerHost = 32 * 1024 * 1024;
/** Of a target beside its body, URL and headers. */
const otherBytes = 500;

interface HostLoad {
  claims: number;
  bytes: number;
}

/** How much is held for target hosts: one that is slow, or has much to do, is not to take all that can be held. */
export class TargetLoad {
  readonly #hosts = new Map<string, HostLoad>();
  #claims = 0;
  #bytes = 0;

  /** What the targets of all take, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a host has so much that others may soon find no room. */
  isTooMuch(host: string | undefined): boolean {
    if (host === undefined || (this.#claims <= muchClaims && this.#bytes <= muchBytes)) return false;
    const load = this.#hosts.get(host);
    return load !== undefined && (load.claims > maxClaimsPerHost || load.bytes > maxBytesPerHost);
  }

  add(host: string | undefined, target: Target | undefined): void {
    this.#count(host, 1, sizeOf(target));
  }

  delete(host: string | undefined, target: Target | undefined): void {
    this.#count(host, -1, -sizeOf(target));
  }

  #count(host: string | undefined, claims: number, bytes: number): void {
    this.#claims += claims;
    this.#bytes += bytes;
    if (host === undefined) return;
    const load = this.#hosts.get(host) ?? { claims: 0, bytes: 0 };
    load.claims += claims;
    load.bytes += bytes;
    if (load.claims === 0) this.#hosts.delete(host);
    else this.#hosts.set(host, load);
  }
}

/** Host and port; undefined: it calls nobody, or what cannot be called. */
export function targetHost(target: Target | undefined): string | undefined {
  const url = target?.webhook?.url;
  return url !== undefined && URL.canParse(url) ? new URL(url).host : undefined;
}

function sizeOf(target: Target | undefined): number {
  if (target?.webhook === undefined) return 0;
  const { url, body, headers } = target.webhook;
  let bytes = url.length + body.length + otherBytes;
  for (const name in headers) bytes += name.length + (headers[name]?.length ?? 0);
  return bytes;
}
