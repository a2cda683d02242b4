// The states that a search has seen, and with how many preemptions left: a hash table in typed
// arrays, because a Map ends at 16 million entries and takes ten times the room. Keys are 64-bit
// hashes already; key 0 stands for an empty place.

/** Places; full when three quarters are taken. */
const FIRST = 1 << 14;
const LAST = 1 << 26;
/** In `left`: the schedule that is followed now has been there. */
const OPEN = 0x80;

/** A state is new (or has more preemptions left), was seen, or is seen again by one schedule. */
export type Seen = "new" | "known" | "again";

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

  private placeOf(key: bigint): number {
    return this.place(Number(key & 0xffff_ffffn), Number((key >> 32n) & 0xffff_ffffn));
  }

  /** Notes that the schedule which is followed now is in a state, with `left` below 128. */
  note(key: bigint, left: number): Seen {
    const low = Number(key & 0xffff_ffffn);
    const high = Number((key >> 32n) & 0xffff_ffffn);
    let at = this.place(low, high);
    if (this.low[at] !== 0 || this.high[at] !== 0) {
      const was = this.left[at] ?? 0;
      if ((was & ~OPEN) >= left) return (was & OPEN) === 0 ? "known" : "again";
    } else {
      this.size += 1;
      if (this.size > this.low.length * 0.75) {
        this.grow();
        at = this.place(low, high);
      }
      this.low[at] = low;
      this.high[at] = high;
    }
    this.left[at] = left | OPEN;
    return "new";
  }

  /** No schedule that has been in a state is followed any more. */
  close(key: bigint): void {
    const at = this.placeOf(key);
    this.left[at] = (this.left[at] ?? 0) & ~OPEN;
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
