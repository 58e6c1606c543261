import type { Logger } from "@taskscheduler/runtime";
import type { ArmedOccurrence } from "../claims/armed-occurrences.js";
import type { HeldClaim } from "../claims/held-claim.js";
import { setOneShot } from "./one-shot.js";
import { type AlarmClock, SlotAlarms } from "./slot-alarms.js";

const claimSlotMs = 100;
/** node-schedule's jobs fire a millisecond apart: shorter slots would stand in line. */
const runSlotMs = 5;

export interface AlarmsOptions {
  readonly clock: AlarmClock;
  readonly logger: Logger;
  readonly onClaimDue: (occurrences: ArmedOccurrence[]) => void;
  readonly onRunDue: (claims: HeldClaim[]) => void;
}

export interface Alarms {
  readonly claims: SlotAlarms<ArmedOccurrence>;
  readonly runs: SlotAlarms<HeldClaim>;
  /** The clock was set or corrected. */
  rearm(): void;
  stop(): void;
}

/** The two kinds of alarm: to claim an occurrence, and to run a claim. */
export function createAlarms({ clock, logger, onClaimDue, onRunDue }: AlarmsOptions): Alarms {
  const onError = (err: unknown): void => logger.error({ err }, "an alarm failed");
  const common = { clock, setOneShot, onError };
  const claims = new SlotAlarms<ArmedOccurrence>({ ...common, slotMs: claimSlotMs, onDue: onClaimDue });
  const runs = new SlotAlarms<HeldClaim>({ ...common, slotMs: runSlotMs, onDue: onRunDue });
  const both = [claims, runs];
  return {
    claims,
    runs,
    rearm: () => {
      for (const alarms of both) alarms.rearm();
    },
    stop: () => {
      for (const alarms of both) alarms.stop();
    },
  };
}
