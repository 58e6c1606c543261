/** This machine's two clocks. A test turns its own. */
export interface Clock {
  /** Epoch milliseconds, whole, never ahead of the true reading. It may be set, forwards and backwards. */
  wallMs(): number;
  /** Milliseconds since some moment. Never set; may stand still while the machine is suspended. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
