import inspector from "node:inspector";

/** This file loads in a moment and imports only what Node.js has: `main.ts` loads it before everything else. */

/** They end the process cleanly: what supervisors, terminals (Ctrl-C, Ctrl-\), containers and limits of CPU time send. */
const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGPWR", "SIGXCPU"] as const;
const RELOAD_SIGNAL = "SIGHUP";
/** Each would end the process, or open a debugger (SIGUSR1), if nobody listened. */
const IGNORED_SIGNALS = ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGIO", "SIGSTKFLT"] as const;
const PROFILER_SIGNAL = "SIGPROF";

export interface SignalReactions {
  stop(signal: NodeJS.Signals, number: number): void;
  reload(): void;
  ignored(signal: NodeJS.Signals): void;
}

/**
 * Takes the signals of the process from the first moment on. Until `react` is called, the modules still load and nothing
 * has begun: a signal to stop ends the process with 0, and a signal to reload is kept.
 *
 * Listeners are never taken away: one that goes would take along a signal that has arrived and is not delivered yet.
 */
export class ProcessSignals {
  #reactions: SignalReactions | undefined;
  #reloadIsDue = false;

  listen(): void {
    for (const signal of STOP_SIGNALS) {
      process.on(signal, (_: NodeJS.Signals, number: number) => {
        if (this.#reactions === undefined) process.exit(0);
        this.#reactions.stop(signal, number);
      });
    }
    process.on(RELOAD_SIGNAL, () => {
      if (this.#reactions === undefined) this.#reloadIsDue = true;
      else this.#reactions.reload();
    });
    for (const signal of IGNORED_SIGNALS) process.on(signal, () => this.#reactions?.ignored(signal));
    // The profiler of Node.js works by this signal; a listener would take it away.
    if (!isNodeOption("prof")) process.on(PROFILER_SIGNAL, () => this.#reactions?.ignored(PROFILER_SIGNAL));
    closeUnaskedDebugger();
    setImmediate(closeUnaskedDebugger);
  }

  react(reactions: SignalReactions): void {
    this.#reactions = reactions;
    if (this.#reloadIsDue) reactions.reload();
  }
}

/** A SIGUSR1 that comes before this file runs opens a debugger on a port, and may open it once more in the next turn. */
function closeUnaskedDebugger(): void {
  if (inspector.url() !== undefined && !isNodeOption("inspect")) inspector.close();
}

/** Whether an option such as `--inspect-brk` or `--cpu-prof` was given to Node.js itself. */
function isNodeOption(word: string): boolean {
  const options = [...process.execArgv, ...(process.env["NODE_OPTIONS"] ?? "").split(/\s+/)];
  return options.some((option) => option.startsWith("--") && option.includes(word));
}
