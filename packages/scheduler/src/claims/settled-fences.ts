/** Fences that were settled in one span of time, and the calls that began in it and are still open. */
interface Span {
  readonly fences: Map<string, number>;
  openCalls: number;
}

const emptySpan = (): Span => ({ fences: new Map(), openCalls: 0 });

/**
 * Remembers up to which fence a claim is settled (run and reported, or withdrawn) for as long as an answer may still be
 * on its way that was given before that: such an answer would bring the claim back, and run it twice.
 *
 * What is settled matters to calls that are open at that moment. So there are two spans: when the last call of the older
 * one ends, its fences are forgotten, the younger one becomes the older, and a new one begins.
 */
export class SettledFences {
  #older = emptySpan();
  #younger = emptySpan();

  /** For tests and metrics. */
  get size(): number {
    return this.#older.fences.size + this.#younger.fences.size;
  }

  /** A call begins whose answer may grant claims. Its caller calls the function returned when that is dealt with. */
  callBegins(): () => void {
    const span = this.#younger;
    span.openCalls++;
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      span.openCalls--;
      this.#forget();
    };
  }

  settle(key: string, fence: number): void {
    if (this.#older.openCalls + this.#younger.openCalls === 0) return;
    this.#younger.fences.set(key, Math.max(fence, this.#younger.fences.get(key) ?? 0));
  }

  /** Whether a grant under this fence is news. */
  isNews(key: string, fence: number): boolean {
    return fence > Math.max(this.#younger.fences.get(key) ?? 0, this.#older.fences.get(key) ?? 0);
  }

  #forget(): void {
    while (this.#older.openCalls === 0 && this.#older.fences.size + this.#younger.fences.size > 0) {
      this.#older = this.#younger;
      this.#younger = emptySpan();
    }
  }
}
