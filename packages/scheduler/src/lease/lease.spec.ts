import { Lease } from "./lease.js";
import { ManualClock } from "./manual-clock.fixture.js";

describe("lease", () => {
  let clock: ManualClock;
  let lease: Lease;
  beforeEach(() => {
    clock = new ManualClock();
    lease = new Lease(clock);
  });

  it("is not valid before the first acknowledgement", () => {
    expect(lease.isValid).toBe(false);
    expect(lease.remainingMs).toBe(0);
  });

  it("counts from the sending of the call, less the margin", () => {
    const sentAtMs = clock.monotonicMs();
    clock.advance(400);
    lease.renew(sentAtMs, 5_000);
    clock.advance(4_099);
    expect(lease.isValid).toBe(true);
    expect(lease.remainingMs).toBe(1);
    clock.advance(1);
    expect(lease.isValid).toBe(false);
  });

  it("takes a tenth of long leases for its margin, and half of very short ones", () => {
    lease.renew(clock.monotonicMs(), 60_000);
    expect(lease.remainingMs).toBe(54_000);
    lease.end();
    clock.advance(1);
    lease.renew(clock.monotonicMs(), 600);
    expect(lease.remainingMs).toBe(300);
  });

  it("is not shortened by an acknowledgement that was overtaken", () => {
    const earlyMs = clock.monotonicMs();
    clock.advance(1_000);
    lease.renew(clock.monotonicMs(), 5_000);
    lease.renew(earlyMs, 5_000);
    expect(lease.remainingMs).toBe(4_500);
  });

  it("once ended, is renewed only by what is sent after that", () => {
    const sentAtMs = clock.monotonicMs();
    lease.renew(sentAtMs, 5_000);
    clock.advance(10);
    lease.end();
    expect(lease.isValid).toBe(false);
    lease.renew(sentAtMs, 5_000);
    expect(lease.isValid).toBe(false);
    clock.advance(1);
    lease.renew(clock.monotonicMs(), 5_000);
    expect(lease.isValid).toBe(true);
  });
});
