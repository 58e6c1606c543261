import { connect, createServer, type Socket } from "node:net";
import type { Random } from "./random.js";

/** A TCP proxy whose connections break in the middle of whatever is said over them. */
export interface CuttingProxy {
  readonly port: number;
  /** How many connections were cut. */
  cuts(): number;
  /**
   * From now on each connection, also one that is open, is cut at a random byte of one of the next so many pieces of one
   * direction. By pieces, as they are sent: a short answer to a commit is met as often as a long list. Undefined: none is
   * cut any more.
   */
  cutWithin(pieces: number | undefined): void;
  /** Cuts what is open, and takes no more. */
  close(): Promise<void>;
}

/** @param targetPort on 127.0.0.1, as the proxy itself */
export async function startCuttingProxy(targetPort: number, random: Random): Promise<CuttingProxy> {
  const open = new Set<Socket>();
  let withinPieces: number | undefined;
  let cuts = 0;

  /** Politely, or by a reset that may take along what has not been read yet. */
  function cut(...sockets: readonly Socket[]): void {
    cuts += 1;
    const isReset = random.below(2) === 0;
    for (const socket of sockets) {
      if (isReset) socket.resetAndDestroy();
      else socket.destroy();
    }
  }

  function carry(from: Socket, to: Socket): void {
    let piecesLeft: number | undefined;
    open.add(from);
    from.setNoDelay();
    from.on("data", (chunk: Buffer) => {
      piecesLeft = withinPieces === undefined ? undefined : (piecesLeft ?? random.between(1, withinPieces)) - 1;
      if (piecesLeft === 0) {
        from.pause();
        to.write(chunk.subarray(0, random.between(0, chunk.length)), () => cut(from, to));
      } else if (!to.write(chunk)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    });
    from.on("end", () => to.end());
    from.on("error", () => to.destroy());
    from.on("close", () => {
      open.delete(from);
      to.destroy();
    });
  }

  const server = createServer({ allowHalfOpen: true }, (caller) => {
    const target = connect({ port: targetPort, host: "127.0.0.1", allowHalfOpen: true });
    carry(caller, target);
    carry(target, caller);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    cuts: () => cuts,
    cutWithin(pieces) {
      withinPieces = pieces;
    },
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      return closed;
    },
  };
}
