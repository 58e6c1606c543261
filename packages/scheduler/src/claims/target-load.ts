import type { Target } from "@taskscheduler/proto";

/** What one host may have waiting here; what is more is handed back, to be claimed anew later. */
const maxClaimsPerHost = 10_000;
const maxBytesPerHost = 64 * 1024 * 1024;
/** Of a target beside its body, URL and headers. */
const otherBytes = 500;

interface HostLoad {
  claims: number;
  bytes: number;
}

/** How much is held for target hosts: one that is slow, or has much to do, is not to take all that can be held. */
export class TargetLoad {
  readonly #hosts = new Map<string, HostLoad>();
  #bytes = 0;

  /** What the targets of all take, about. */
  get bytes(): number {
    return this.#bytes;
  }

  isFull(host: string | undefined): boolean {
    const load = host === undefined ? undefined : this.#hosts.get(host);
    return load !== undefined && (load.claims > maxClaimsPerHost || load.bytes > maxBytesPerHost);
  }

  add(host: string | undefined, target: Target | undefined): void {
    this.#count(host, 1, sizeOf(target));
  }

  delete(host: string | undefined, target: Target | undefined): void {
    this.#count(host, -1, -sizeOf(target));
  }

  #count(host: string | undefined, claims: number, bytes: number): void {
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
