import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * A module of the bench in a process of its own: what generates load, or is measured as a floor, shares no event loop
 * with the rest. It is asked by `ask`, one thing after another, and answers by `serve` (below).
 */
export interface Child<Q, A> {
  readonly pid: number;
  ask(question: Q): Promise<A>;
  stop(): Promise<void>;
}

/** @param module relative to this folder, `load/unary-load.ts` */
export function startChild<Q, A>(module: string): Child<Q, A> {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), [], {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    serialization: "advanced",
  });
  return {
    pid: child.pid ?? 0,
    ask: (question) =>
      new Promise<A>((resolve, reject) => {
        const ended = (): void => reject(new Error(`${module} ended before it answered`));
        child.once("exit", ended);
        child.once("message", (answer) => {
          child.off("exit", ended);
          const { value, error } = answer as { value?: A; error?: string };
          if (error === undefined) resolve(value as A);
          else reject(new Error(`${module}: ${error}`));
        });
        child.send(question as object);
      }),
    stop: () => stop(child),
  };
}

/** In the child: answers each question. Ends with its parent. */
export function serve<Q, A>(answer: (question: Q) => Promise<A>): void {
  process.on("message", (question) => {
    answer(question as Q).then(
      (value) => process.send?.({ value }),
      (error: unknown) => process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : error }),
    );
  });
  process.on("disconnect", () => process.exit());
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exited;
}
