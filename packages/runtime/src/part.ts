/** Something of a process that lives long. */
export interface Part {
  readonly name: string;
  /**
   * Resolves when the part does its work.
   * @param signal is aborted when the process is told to stop before all its parts have started
   */
  start(signal: AbortSignal): Promise<void>;
  /**
   * Takes no new work, lets what is in flight end, and gives everything back. It is also called, once, on a part whose
   * start failed or was interrupted.
   * @param signal is aborted when the grace is over: whatever is left is to be dropped then
   */
  stop(signal: AbortSignal): Promise<void>;
}
