import type { DescService } from "@bufbuild/protobuf";
import { createServiceImplSpec, type MethodImplSpec, type ServiceImpl } from "@connectrpc/connect";
import { untilAborted } from "./until-aborted.js";

/**
 * Wraps a service whose callers can go to another API. Its calls and streams fail with the reason of `lost` as soon as the
 * signal is aborted, instead of waiting for a database that is away.
 *
 * @param lost gives the signal of this moment; called once for each call
 */
export function whileReady<S extends DescService>(
  service: S,
  impl: ServiceImpl<S>,
  lost: () => AbortSignal,
): ServiceImpl<S> {
  const { methods } = createServiceImplSpec(service, impl);
  const guarded = Object.entries(methods).map(([name, method]) => [name, guard(method, lost)] as const);
  // By construction: one function for each method of the service, of its kind.
  return Object.fromEntries(guarded) as ServiceImpl<S>;
}

function guard(spec: MethodImplSpec, lost: () => AbortSignal): unknown {
  if (spec.kind === "unary") {
    const { impl } = spec;
    const unary: typeof impl = async (request, context) => {
      const signal = lost();
      signal.throwIfAborted();
      return raced(Promise.resolve(impl(request, context)), signal);
    };
    return unary;
  }
  if (spec.kind === "server_streaming") {
    const { impl } = spec;
    const stream: typeof impl = (request, context) => untilAborted(impl(request, context), lost());
    return stream;
  }
  throw new Error(`${spec.method.name}: clients that stream are not served`);
}

function raced<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
