import type { DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import {
  type ConnectError,
  createServiceImplSpec,
  type HandlerContext,
  type MethodImplSpec,
  type ServiceImpl,
} from "@connectrpc/connect";
import { ServiceError } from "@taskscheduler/domain";
import { type Logger, within } from "@taskscheduler/runtime";
import { callErrorOf, requestIdOf } from "./call-errors.js";
import type { CallLimit } from "./call-limit.js";
import type { CallMetrics, MethodMetrics } from "./call-metrics.js";
import type { OutageLog } from "./outage-log.js";
import type { RequestValidator } from "./request-validator.js";
import { abortErrorOf } from "./service-errors.js";
import { untilAborted } from "./until-aborted.js";

export interface Policies {
  readonly logger: Logger;
  readonly metrics: CallMetrics;
  readonly validator: RequestValidator;
  readonly outages: OutageLog;
  /** Absent: unlimited. */
  readonly limits?: { readonly unary: CallLimit; readonly streams: CallLimit };
}

/** A unary call is answered within this: what a list may take. Each wait for the database has its own, shorter limit. */
const ANSWER_LIMIT_MS = 16_000;

type Method<K extends MethodImplSpec["kind"]> = Extract<MethodImplSpec, { kind: K }>;

/**
 * Wraps each method of a service once, for every port: requests are judged by the rules in their protos, whatever fails
 * becomes an error with a reason, and calls are counted, timed and logged. A method that is left out is UNIMPLEMENTED.
 */
export function withPolicies<S extends DescService>(
  service: S,
  impl: Partial<ServiceImpl<S>>,
  policies: Policies,
): ServiceImpl<S> {
  const { methods } = createServiceImplSpec(service, impl);
  const wrapped = Object.entries(methods).map(([name, method]) => {
    policies.validator.warmUp(method.method.input);
    return [name, wrap(method, policies)] as const;
  });
  // By construction: one function for each method of the service, of its kind.
  return Object.fromEntries(wrapped) as ServiceImpl<S>;
}

function wrap(method: MethodImplSpec, policies: Policies): unknown {
  if (method.kind === "unary") return unary(method, policies);
  if (method.kind === "server_streaming") return serverStream(method, policies);
  throw new Error(`${method.method.name}: clients that stream are not served`);
}

function unary({ method, impl }: Method<"unary">, policies: Policies): Method<"unary">["impl"] {
  const asCall = callsOf(method, policies);
  return (request, context) =>
    asCall(context, async () => {
      policies.validator.validate(method.input, request);
      return impl(request, context);
    });
}

/** Does work as a unary call of the method: within its limits, counted, timed and logged, its errors with reasons. */
export function callsOf(
  method: DescMethod,
  policies: Pick<Policies, "logger" | "metrics" | "outages" | "limits">,
): <T>(context: HandlerContext, work: () => Promise<T>) => Promise<T> {
  const metrics = policies.metrics.ofMethod(method.parent.typeName, method.name, "unary");
  const limit = policies.limits?.unary;
  return async (context, work) => {
    const end = beginCall(method, metrics, policies);
    let isWithin = false;
    try {
      limit?.enter();
      isWithin = true;
      const answer = await within(work(), ANSWER_LIMIT_MS, tooLate);
      end(context);
      return answer;
    } catch (error) {
      throw end(context, error);
    } finally {
      if (isWithin) limit?.leave();
    }
  };
}

function tooLate(): ServiceError {
  const seconds = ANSWER_LIMIT_MS / 1_000;
  const message = `the database has not answered within ${seconds} s; whether a write was done is not known; try again`;
  return new ServiceError("DATABASE_UNAVAILABLE", message);
}

function serverStream(
  { method, impl }: Method<"server_streaming">,
  policies: Policies,
): Method<"server_streaming">["impl"] {
  const metrics = policies.metrics.ofMethod(method.parent.typeName, method.name, "stream");
  return async function* (
    request: MessageShape<typeof method.input>,
    context: HandlerContext,
  ): AsyncGenerator<MessageInitShape<typeof method.output>> {
    const end = beginCall(method, metrics, policies);
    let isWithin = false;
    try {
      policies.limits?.streams.enter();
      isWithin = true;
      policies.validator.validate(method.input, request);
      yield* untilAborted(impl(request, context), context.signal);
      // A method that notices the abort may simply return: its stream has not ended well all the same.
      context.signal.throwIfAborted();
      end(context);
    } catch (error) {
      throw end(context, error);
    } finally {
      if (isWithin) policies.limits?.streams.leave();
      // The reader has gone, which shows as a return out of the middle.
      end(context, abortErrorOf(undefined));
    }
  };
}

/** Returns what ends the call, once, and gives the error as the caller sees it. */
function beginCall(
  method: DescMethod,
  metrics: MethodMetrics,
  { logger, outages }: Pick<Policies, "logger" | "outages">,
): (context: HandlerContext, error?: unknown) => ConnectError | undefined {
  const beginMs = performance.now();
  const endMetrics = metrics.begin();
  let ended = false;
  return (context, error) => {
    if (ended) return undefined;
    ended = true;
    const shown = error === undefined ? undefined : callErrorOf(error, context, logger);
    endMetrics(shown?.code);
    outages.tell(error, method.name);
    if (logger.isLevelEnabled("debug")) {
      const call = {
        method: `${method.parent.typeName}/${method.name}`,
        protocol: context.protocolName,
        requestId: requestIdOf(context.requestHeader),
        durationMs: Math.round((performance.now() - beginMs) * 1000) / 1000,
      };
      logger.debug(shown === undefined ? call : { ...call, code: shown.code, err: shown.cause }, "call");
    }
    return shown;
  };
}
