// The states that a search has seen, and with how many preemptions left: a hash table in typed
// arrays, because a Map ends at 16 million entries and takes ten times the room. Keys are 64-bit
// hashes already; key 0 stands for an empty place.

/** Places; full when three quarters are taken. */
const FIRST = 1 << 14;
const LAST = 1 << 26;

export class States {
  /** States seen. */
  size = 0;
  private low = new Uint32Array(FIRST);
  private high = new Uint32Array(FIRST);
  private left = new Uint8Array(FIRST);

  /** No room for another state. */
  get full(): boolean {
    return this.size >= LAST * 0.75;
  }

  /** Where a key is, or would be. */
  private place(low: number, high: number): number {
    const mask = this.low.length - 1;
    let at = low & mask;
    while (this.low[at] !== 0 || this.high[at] !== 0) {
      if (this.low[at] === low && this.high[at] === high) break;
      at = (at + 1) & mask;
    }
    return at;
  }

  /** Notes a state; false when it was seen with as many preemptions left. */
  note(key: bigint, left: number): boolean {
    const low = Number(key & 0xffff_ffffn);
    const high = Number((key >> 32n) & 0xffff_ffffn);
    let at = this.place(low, high);
    const known = this.low[at] !== 0 || this.high[at] !== 0;
    if (known) {
      if ((this.left[at] ?? 0) >= left) return false;
    } else {
      this.size += 1;
      if (this.size > this.low.length * 0.75) {
        this.grow();
        at = this.place(low, high);
      }
      this.low[at] = low;
      this.high[at] = high;
    }
    this.left[at] = left;
    return true;
  }

  private grow(): void {
    const { low, high, left } = this;
    this.low = new Uint32Array(low.length * 2);
    this.high = new Uint32Array(low.length * 2);
    this.left = new Uint8Array(low.length * 2);
    for (let i = 0; i < low.length; i++) {
      const [a, b] = [low[i] ?? 0, high[i] ?? 0];
      if (a === 0 && b === 0) continue;
      const at = this.place(a, b);
      this.low[at] = a;
      this.high[at] = b;
      this.left[at] = left[i] ?? 0;
    }
  }
}
