import { DAY_MS } from "./calendar.js";

/** Zones left their local mean times in the 19th century. No rule that the database continues for ever skips a day. */
const FROM_MS = Date.UTC(1800, 0, 1);
const UNTIL_MS = Date.UTC(2200, 0, 1);
const STEP_MS = 180 * DAY_MS;

/**
 * The wall times at which a zone's gaps of at least a day begin, ascending. A place that moves across the date line to
 * the west skips a day; no other clock change jumps as far. Takes about 1 ms.
 */
export function findDayGaps(offsetMsAt: (timeMs: number) => number): number[] {
  const walls: number[] = [];
  for (let startMs = FROM_MS; startMs < UNTIL_MS; startMs += STEP_MS) {
    let beforeMs = startMs;
    let afterMs = startMs + STEP_MS;
    if (offsetMsAt(afterMs) - offsetMsAt(beforeMs) < DAY_MS / 2) continue;
    while (afterMs - beforeMs > 1000) {
      const middleMs = beforeMs + Math.floor((afterMs - beforeMs) / 2000) * 1000;
      if (offsetMsAt(middleMs) - offsetMsAt(beforeMs) < DAY_MS / 2) beforeMs = middleMs;
      else afterMs = middleMs;
    }
    if (offsetMsAt(afterMs) - offsetMsAt(beforeMs) >= DAY_MS) walls.push(afterMs + offsetMsAt(beforeMs));
  }
  return walls;
}
