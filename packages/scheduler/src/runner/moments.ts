interface Entry<T> {
  readonly item: T;
  readonly atMs: number;
}

/**
 * Items by the moment that each waits for, at most one each; the first is at hand. A binary heap that knows where each
 * item stands: setting and deleting cost the logarithm of how many there are, and nothing outdated stays behind.
 */
export class Moments<T extends NonNullable<unknown>> {
  readonly #heap: Entry<T>[] = [];
  readonly #indexes = new Map<T, number>();

  get size(): number {
    return this.#heap.length;
  }

  /** undefined: nothing is waited for. */
  get firstMs(): number | undefined {
    return this.#heap[0]?.atMs;
  }

  /** Sets the item's moment, or moves it. */
  set(item: T, atMs: number): void {
    this.delete(item);
    this.#rise({ item, atMs }, this.#heap.length);
  }

  delete(item: T): void {
    const index = this.#indexes.get(item);
    if (index === undefined) return;
    this.#indexes.delete(item);
    const last = this.#heap.pop();
    if (last === undefined || index === this.#heap.length) return;
    const above = this.#heap[(index - 1) >> 1];
    if (index > 0 && above !== undefined && last.atMs < above.atMs) this.#rise(last, index);
    else this.#sink(last, index);
  }

  /** Takes the first out, if its moment has come. */
  shiftDue(nowMs: number): T | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.atMs > nowMs) return undefined;
    this.delete(first.item);
    return first.item;
  }

  /** Puts the entry in at the index, which is free, or above it. */
  #rise(entry: Entry<T>, from: number): void {
    let index = from;
    while (index > 0) {
      const aboveIndex = (index - 1) >> 1;
      const above = this.#heap[aboveIndex];
      if (above === undefined || above.atMs <= entry.atMs) break;
      this.#put(above, index);
      index = aboveIndex;
    }
    this.#put(entry, index);
  }

  /** Puts the entry in at the index, which is free, or below it. */
  #sink(entry: Entry<T>, from: number): void {
    let index = from;
    for (;;) {
      const [left, right] = [this.#heap[2 * index + 1], this.#heap[2 * index + 2]];
      const below = right !== undefined && left !== undefined && right.atMs < left.atMs ? right : left;
      if (below === undefined || below.atMs >= entry.atMs) break;
      this.#put(below, index);
      index = 2 * index + (below === left ? 1 : 2);
    }
    this.#put(entry, index);
  }

  #put(entry: Entry<T>, index: number): void {
    this.#heap[index] = entry;
    this.#indexes.set(entry.item, index);
  }
}
