import { Code } from "@connectrpc/connect";
import { Counter, Gauge, Histogram, type Registry } from "@taskscheduler/runtime";

/** What is measured of one method; made once, so that a call does no look-ups. */
export interface MethodMetrics {
  /** A unary call or a stream has begun. Returns what is to be called when it has ended: no code means OK. */
  begin(): (code?: Code) => void;
}

export interface CallMetrics {
  ofMethod(service: string, method: string, kind: "unary" | "stream"): MethodMetrics;
}

const labelNames = ["service", "method"] as const;
const bucketsSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counts and times the calls of every port together. To be created once for a registry. */
export function createCallMetrics(registry: Registry): CallMetrics {
  const calls = new Counter({
    name: "taskscheduler_api_calls_total",
    help: "Calls that ended, streams included, by their code.",
    labelNames: [...labelNames, "code"],
    registers: [registry],
  });
  const duration = new Histogram({
    name: "taskscheduler_api_call_duration_seconds",
    help: "From a unary call's request to its answer.",
    labelNames,
    buckets: bucketsSeconds,
    registers: [registry],
  });
  const underWay = new Gauge({
    name: "taskscheduler_api_calls_under_way",
    help: "Calls that have not ended, open streams included.",
    labelNames,
    registers: [registry],
  });
  return {
    ofMethod(service, method, kind) {
      const methodDuration = duration.labels({ service, method });
      const methodUnderWay = underWay.labels({ service, method });
      const byCode = new Map<Code | undefined, ReturnType<typeof calls.labels>>();
      const counterOf = (code: Code | undefined) => {
        let counter = byCode.get(code);
        if (counter === undefined) {
          counter = calls.labels({ service, method, code: code === undefined ? "OK" : nameOf(code) });
          byCode.set(code, counter);
        }
        return counter;
      };
      return {
        begin() {
          const beginMs = performance.now();
          methodUnderWay.inc();
          return (code) => {
            methodUnderWay.dec();
            counterOf(code).inc();
            if (kind === "unary") methodDuration.observe((performance.now() - beginMs) / 1000);
          };
        },
      };
    },
  };
}

/** gRPC's spelling: `INVALID_ARGUMENT`. */
function nameOf(code: Code): string {
  if (code === Code.Canceled) return "CANCELLED";
  return Code[code].replace(/(?<=[a-z])[A-Z]/g, "_$&").toUpperCase();
}
