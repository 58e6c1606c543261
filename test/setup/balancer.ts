import { connect, createServer, type Socket } from "node:net";

/** A TCP balancer, as a service or a load balancer in front of several processes. */
export interface Balancer {
  readonly port: number;
  /** Connections that no target took. */
  refusals(): number;
  close(): Promise<void>;
}

/**
 * Carries each connection to the first target that takes it. An open connection stays where it is.
 *
 * @param targets the ports on 127.0.0.1, in the order in which they are tried; asked for each connection
 */
export async function startBalancer(targets: () => readonly number[]): Promise<Balancer> {
  const open = new Set<Socket>();
  let refusals = 0;

  function tie(from: Socket, to: Socket): void {
    open.add(from);
    from.pipe(to);
    from.on("error", () => to.destroy());
    from.on("close", () => {
      open.delete(from);
      // The last bytes it sent are still to be delivered.
      to.destroySoon();
    });
  }

  async function carry(caller: Socket): Promise<void> {
    for (const port of targets()) {
      const target = await dial(port);
      if (target === undefined) continue;
      tie(caller, target);
      tie(target, caller);
      return;
    }
    refusals += 1;
    caller.destroy();
  }

  const server = createServer({ noDelay: true, pauseOnConnect: true }, (caller) => {
    caller.on("error", () => caller.destroy());
    void carry(caller);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the balancer has no port");
  return {
    port: address.port,
    refusals: () => refusals,
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      return closed;
    },
  };
}

/** Undefined: nobody listens. */
function dial(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}
