import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy for a network that fails in a way of the test's choosing. */
export interface SeverableNetwork {
  readonly port: number;
  /** Packets vanish from now on, in both directions; connections stay, and new ones are made and stay mute. */
  swallow(): void;
  /** Connections break, and new ones are refused. */
  cut(): void;
  /** New connections work. Those that were made before have lost packets, and break. */
  mend(): void;
  close(): Promise<void>;
}

/** @param targetPort on 127.0.0.1, as the proxy itself */
export async function startSeverableNetwork(targetPort: number): Promise<SeverableNetwork> {
  const open = new Set<Socket>();
  let state: "whole" | "mute" | "cut" = "whole";

  function carry(from: Socket, to: Socket): void {
    open.add(from);
    from.setNoDelay();
    from.on("data", (chunk: Buffer) => {
      if (state === "whole") to.write(chunk);
    });
    from.on("end", () => {
      if (state === "whole") to.end();
    });
    from.on("error", () => undefined);
    from.on("close", () => {
      open.delete(from);
      if (state !== "mute") to.destroy();
    });
  }

  function breakAll(): void {
    for (const socket of open) socket.resetAndDestroy();
  }

  const server = createServer({ allowHalfOpen: true }, (caller) => {
    if (state === "cut") {
      caller.resetAndDestroy();
      return;
    }
    const target = connect({ port: targetPort, host: "127.0.0.1", allowHalfOpen: true });
    carry(caller, target);
    carry(target, caller);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    swallow() {
      state = "mute";
    },
    cut() {
      state = "cut";
      breakAll();
    },
    mend() {
      state = "whole";
      breakAll();
    },
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      breakAll();
      return closed;
    },
  };
}
