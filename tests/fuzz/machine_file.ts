// Machine files with hostile contents and a right checksum. What a word of a file is, is read off
// the file itself: small numbers are counts, states, slots; page-aligned ones are places in the
// machine, page-table entries; wide ones are addresses. So whatever the machine keeps is changed,
// also what is added to it later.

import { checksum } from "../../host/snapshot.js";
import type { Dice } from "./mutate.js";

const HEADER = 64;
const CHECKSUM = 40;
const PAGE = 4096;
/** Where the page frames begin, in pages, or a little before (hv/layout.ts). */
const FRAMES = 448;
/** The header, and the first CPUs. */
const FIRST = [1, 2, 3];

/** A file that is changed and sealed again. */
export class MachineFile {
  private readonly view: DataView;
  private readonly data: number;
  /** Page of the machine that each page of the file is. */
  private readonly numbers: number[] = [];
  /** Places of the words that are not 0, page by page. */
  private readonly words: number[][] = [];
  private readonly records: number[][];
  private readonly first: number[][];

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const pages = Number(this.view.getBigUint64(16, true)) / PAGE;
    this.data = HEADER + Math.ceil(pages / 32) * 4;
    for (let page = 0; page < pages; page++) {
      const byte = bytes[HEADER + (page >> 3)] as number;
      if (byte & (1 << (page & 7))) this.numbers.push(page);
    }
    for (const i of this.numbers.keys()) {
      const places = Array.from({ length: PAGE / 4 }, (_, n) => i * PAGE + 4 * n);
      this.words.push(places.filter((at) => this.view.getUint32(this.data + at, true) !== 0));
    }
    this.records = this.words.filter((_, i) => (this.numbers[i] as number) < FRAMES);
    this.first = this.words.filter((_, i) => FIRST.includes(this.numbers[i] as number));
  }

  get length(): number {
    return this.numbers.length * PAGE;
  }

  /** A place to change: records rather than what the frames hold, and what is not 0. */
  private place(dice: Dice): number {
    const choice = dice.below(8);
    const from = choice < 2 ? this.first : choice < 5 ? this.records : this.words;
    const near = dice.below(4) === 0 ? 4 * (dice.below(16) - 8) : 0;
    const at = dice.pick(dice.pick(from)) ?? 0;
    return Math.max(0, Math.min(at + near, this.length - 8));
  }

  /** A value that hurts: an edge, another word of the machine, a step away from what is there. */
  private value(dice: Dice, was: bigint): bigint {
    const choice = dice.below(8);
    if (choice < 2) return dice.value(this.length);
    if (choice < 4) {
      const at = dice.pick(dice.pick(this.words)) & ~7;
      return this.view.getBigUint64(this.data + at, true);
    }
    if (choice === 4) return was ^ (1n << BigInt(dice.below(64)));
    if (choice === 5) return was + BigInt(dice.pick([-4096, -64, -8, -1, 1, 8, 64, 4096]));
    if (choice === 6) return BigInt(dice.pick(this.numbers)) * BigInt(PAGE) + BigInt(dice.below(8));
    return 0n;
  }

  /** A copy with one to four words changed and the right checksum; what was done, in words. */
  hostile(dice: Dice): { readonly bytes: Uint8Array; readonly what: string } {
    const copy = Uint8Array.from(this.bytes);
    const view = new DataView(copy.buffer);
    const what: string[] = [];
    for (let n = dice.pick([1, 1, 1, 2, 3, 4]); n > 0; n--) {
      const at = this.place(dice);
      const wide = dice.below(2) === 0 && at % 8 === 0;
      const off = this.data + at;
      const was = wide ? view.getBigUint64(off, true) : BigInt(view.getUint32(off, true));
      const value = BigInt.asUintN(wide ? 64 : 32, this.value(dice, was));
      if (wide) view.setBigUint64(off, value, true);
      else view.setUint32(off, Number(value), true);
      const linear = (this.numbers[Math.floor(at / PAGE)] as number) * PAGE + (at % PAGE);
      what.push(`${linear.toString(16)}: ${was.toString(16)} -> ${value.toString(16)}`);
    }
    view.setBigUint64(CHECKSUM, checksum(copy.subarray(HEADER)), true);
    return { bytes: copy, what: what.join(", ") };
  }
}
