/**
 * Hands on what a source yields until the signal is aborted: then it throws the signal's reason at once, even when the
 * source is in the middle of something that does not listen to the signal. The source is told to return, and not waited for.
 *
 * No generator: each of those on the way costs every item of every stream half a microsecond.
 */
export function untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncIterableIterator<T> {
  const iterator = source[Symbol.asyncIterator]();
  // One listener for the whole stream: a race against one promise would pile up reactions on it, one for each item.
  let interrupt: (reason: unknown) => void = () => undefined;
  const onAbort = (): void => interrupt(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });

  function end(): void {
    signal.removeEventListener("abort", onAbort);
    iterator.return?.().catch(() => undefined);
  }

  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      return new Promise((resolve, reject) => {
        const fail = (reason: unknown): void => {
          end();
          reject(reason);
        };
        if (signal.aborted) return fail(signal.reason);
        interrupt = fail;
        iterator.next().then((item) => {
          if (item.done === true) end();
          resolve(item);
        }, fail);
      });
    },
    async return() {
      end();
      return { done: true, value: undefined };
    },
  };
}
