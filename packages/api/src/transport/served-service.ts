import type { DescService } from "@bufbuild/protobuf";
import {
  createServiceImplSpec,
  type HandlerContext,
  type ServiceImpl,
  type ServiceImplSpec,
} from "@connectrpc/connect";

/** A service and its implementation, policies included: any `ServiceImpl` of that very service. */
export interface ServedService {
  readonly service: DescService;
  readonly impl: Readonly<Record<string, (request: never, context: HandlerContext) => unknown>>;
}

/** The methods with what is known of them, for a transport to loop over. */
export function specOf({ service, impl }: ServedService): ServiceImplSpec {
  // What each method takes is checked where the implementation is made; here all are alike.
  return createServiceImplSpec(service, impl as unknown as Partial<ServiceImpl<DescService>>);
}
