/** So many that were taken may stay behind before what waits is copied. */
const fewestBehind = 64;

/**
 * First in, first out. Adding and taking cost the same however many wait (an array's `shift` does not): what waits is
 * copied only when at least as many were taken since the last copy.
 */
export class Fifo<T extends NonNullable<unknown>> {
  #items: T[] = [];
  /** Everything before it was taken. */
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** @returns undefined when nothing waits */
  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head++];
    if (this.size === 0) this.#cut();
    else if (this.#head >= fewestBehind && this.#head >= this.size) this.#cut();
    return item;
  }

  #cut(): void {
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
