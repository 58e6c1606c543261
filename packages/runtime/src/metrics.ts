import { collectDefaultMetrics, Registry } from "prom-client";

export interface Metrics {
  /** Whatever is measured registers itself here. */
  readonly registry: Registry;
}

/** A registry with the metrics of every Node.js process: CPU, memory, event loop, garbage collection. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return { registry };
}
