import type { ClientReadableStream } from "@grpc/grpc-js";
import type { Random } from "../setup/random.js";
import type { TaskClient } from "../setup/task-client.js";
import { isUnanswered } from "./resend.js";

/** What every event of a watch carries. */
export interface Resumable {
  readonly resumeToken: string;
}

/** A reader that begins anew with its last token whenever its stream ends. */
export interface StreamFollower {
  /** How often it began anew. */
  readonly resumed: () => number;
  /** Set when `take` threw, or the stream failed in a way that resuming does not mend. */
  readonly fault: () => unknown;
  stop(): Promise<void>;
}

export interface StreamFollowerOptions<E extends Resumable> {
  /** It resumes at any of them. */
  readonly clients: readonly TaskClient[];
  /** Empty: begins with a snapshot, and does so again while that is not complete. */
  readonly resumeToken: string;
  /** Drops its stream after 1 to this many events, again and again. Undefined: only when the stream ends. */
  readonly dropAfter?: number | undefined;
  readonly random: Random;
  /** Called for each stream. */
  readonly open: (client: TaskClient, resumeToken: string) => ClientReadableStream<E>;
  readonly take: (event: E) => void;
}

const PAUSE_MS = 20;

/** Follows a change stream over any number of streams and APIs, as a careful client would. */
export function followStream<E extends Resumable>(options: StreamFollowerOptions<E>): StreamFollower {
  const { clients, dropAfter, random, open, take } = options;
  let token = options.resumeToken;
  let streams = 0;
  let stopped = false;
  let fault: unknown;
  let cancel = () => {};

  /** Resolves when it has had enough of this stream, or the stream has ended. */
  function followOne(): Promise<void> {
    const stream = open(random.pick(clients), token);
    let left = dropAfter === undefined ? Number.POSITIVE_INFINITY : random.between(1, dropAfter);
    // Iterating would take most of a busy test's time.
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (settle: () => void) => {
        isOver = true;
        stream.cancel();
        settle();
      };
      cancel = () => end(resolve);
      stream.on("data", (event: E) => {
        // Those that had arrived before it was dropped are as good as never sent.
        if (isOver) return;
        try {
          take(event);
        } catch (error) {
          end(() => reject(error));
        }
        if (event.resumeToken !== "") token = event.resumeToken;
        // Without a token it would have to begin with the snapshot again.
        left -= token === "" ? 0 : 1;
        if (left <= 0) end(resolve);
      });
      stream.on("end", () => end(resolve));
      stream.on("error", (error: unknown) => end(() => reject(error)));
    });
  }

  async function follow(): Promise<void> {
    while (!stopped) {
      streams += 1;
      try {
        await followOne();
      } catch (error) {
        if (!isUnanswered(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  const following = follow().catch((error: unknown) => {
    fault = error;
  });
  return {
    resumed: () => streams - 1,
    fault: () => fault,
    async stop() {
      stopped = true;
      cancel();
      await following;
    },
  };
}
