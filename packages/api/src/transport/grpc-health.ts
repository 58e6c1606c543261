import type { Server } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";

export interface GrpcHealth {
  /** Tells those who ask and those who watch. Setting what is set already tells nobody. */
  setServing(isServing: boolean): void;
}

/** `grpc.health.v1.Health` for the server as a whole (the empty name) and for each service; not serving at first. */
export function addHealth(server: Pick<Server, "addService">, serviceNames: readonly string[]): GrpcHealth {
  const names = ["", ...serviceNames];
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, "NOT_SERVING" as const])));
  // The library asks for the server's own type, and calls this one method of it.
  health.addToServer(server as Parameters<HealthImplementation["addToServer"]>[0]);
  let serving = false;
  return {
    setServing(isServing) {
      if (isServing === serving) return;
      serving = isServing;
      for (const name of names) health.setStatus(name, isServing ? "SERVING" : "NOT_SERVING");
    },
  };
}
