import type { SubscribeResponse } from "@taskscheduler/proto";
import { incarnationEnded } from "./claim-command.js";
import { FeedCursor, type FeedParts } from "./feed-cursor.js";

const SWEEP_MS = 2_000;
/** How soon a change of the fleet is noticed. */
const NEWS_MS = 200;

/**
 * What falls due soon in the shards of an incarnation. The sweep is belt and braces: what an error left behind is late,
 * never lost.
 *
 * Ends when the incarnation's shards change, so that it subscribes anew. Throws INCARNATION_ENDED.
 */
export async function* feed(
  parts: FeedParts,
  incarnation: number,
  signal: AbortSignal,
): AsyncGenerator<SubscribeResponse> {
  const { fleet } = parts;
  if (fleet.shardsOf(incarnation) === undefined) await fleet.refresh();
  const shards = fleet.shardsOf(incarnation);
  if (shards === undefined) throw incarnationEnded(incarnation);
  const cursor = new FeedCursor(parts, incarnation, shards);
  let sweepAtMs = 0;
  while (!signal.aborted) {
    const assigned = fleet.shardsOf(incarnation);
    if (assigned === undefined) throw incarnationEnded(incarnation);
    if (assigned.join() !== shards.join()) return;
    const advanced = yield* cursor.advance(signal);
    if (performance.now() >= sweepAtMs || cursor.fleetChanged()) {
      yield* cursor.sweep();
      yield cursor.window();
      sweepAtMs = performance.now() + SWEEP_MS;
    }
    const moved = yield* cursor.follow(signal);
    if (!advanced && !moved) await cursor.news(NEWS_MS, signal);
  }
}
