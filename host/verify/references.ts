// Who reaches what in a hypervisor image, by looking at every byte of it once: 4 bytes that would
// be the displacement of a branch, and aligned words that are addresses. Finds too much, never too
// little, so that nothing found means that nothing is there. Init code and data count too: what
// they registered at boot is still used.

import type { MachineInfo } from "../inspect.js";
import type { Machine } from "../machine.js";
import { isLead, type Reference, type Segment, searchReferences } from "./reference_search.js";

const EHDR_PHOFF = 32;
const PHDR_SIZE = 56;
const PT_LOAD = 1;
const LOW_WORD = 0xffffffffn;
/** What a displacement reaches: segments farther away are somebody else's. */
const REACH = 1n << 31n;
const SHORT_REACH = 130n;

/** Bytes of the loadable segments; none when the file is not what it should be. */
function segments(file: Uint8Array): Segment[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const table = Number(view.getBigUint64(EHDR_PHOFF, true));
  const count = view.getUint16(56, true);
  const found: Segment[] = [];
  for (let i = 0; i < count && table + (i + 1) * PHDR_SIZE <= file.length; i++) {
    const at = table + i * PHDR_SIZE;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const offset = Number(view.getBigUint64(at + 8, true));
    const size = Number(view.getBigUint64(at + 32, true));
    found.push({
      va: view.getBigUint64(at + 16, true),
      bytes: file.subarray(offset, offset + size),
    });
  }
  return found;
}

/** Adds one to an element. @returns what it was */
function bump(numbers: Uint32Array, i: number): number {
  const before = numbers[i] as number;
  numbers[i] = before + 1;
  return before;
}

/** A list of pairs that grows. */
class Hits {
  targets = new Uint32Array(1 << 16);
  sources = new Uint32Array(1 << 16);
  count = 0;

  add(target: number, source: number): void {
    if (this.count === this.targets.length) {
      this.targets = doubled(this.targets);
      this.sources = doubled(this.sources);
    }
    this.targets[this.count] = target;
    this.sources[this.count] = source;
    this.count++;
  }
}

function doubled(numbers: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(numbers.length * 2);
  larger.set(numbers);
  return larger;
}

/** Where each byte of the text is referred to from: sources[starts[t] .. starts[t + 1]). */
interface Index {
  readonly starts: Uint32Array;
  readonly sources: Uint32Array;
}

/** A counting sort by target. */
function sorted(hits: Hits, size: number): Index {
  const starts = new Uint32Array(size + 1);
  for (let i = 0; i < hits.count; i++) bump(starts, (hits.targets[i] as number) + 1);
  for (let i = 1; i <= size; i++) starts[i] = (starts[i] as number) + (starts[i - 1] as number);
  const sources = new Uint32Array(hits.count);
  const next = starts.slice();
  for (let i = 0; i < hits.count; i++) {
    sources[bump(next, hits.targets[i] as number)] = hits.sources[i] as number;
  }
  return { starts, sources };
}

/** Questions that are answered by looking before it pays to sort everything once. */
const LOOKS = 3;

export class References {
  private readonly parts: readonly Segment[];
  private readonly base: bigint;
  private readonly size: number;
  private index: Index | undefined;
  private looks = 0;

  constructor(image: Uint8Array, { textStart, textEnd, imageStart }: MachineInfo) {
    this.base = textStart < imageStart ? textStart : imageStart;
    this.size = Number(textEnd - this.base);
    this.parts = segments(image).filter(
      ({ va, bytes }) => va >= this.base && bytes.length > 0 && va < this.base + REACH,
    );
  }

  /** Everything that could be a reference to the text; offsets from the base. */
  private collect(): Hits {
    const hits = new Hits();
    for (const part of this.parts) this.visit(part, hits);
    return hits;
  }

  private visit({ va, bytes }: Segment, hits: Hits): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const shift = Number(va - this.base);
    const high = Number(this.base >> 32n);
    const low = Number(this.base & LOW_WORD);
    for (let at = 1; at + 4 <= bytes.length; at++) {
      if (!isLead(bytes[at - 1] as number)) continue;
      const target = shift + at + 4 + view.getInt32(at, true);
      if (target >= 0 && target < this.size) hits.add(target, shift + at);
    }
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      if (view.getUint32(at + 4, true) !== high) continue;
      const target = view.getUint32(at, true) - low;
      if (target >= 0 && target < this.size) hits.add(target, shift + at);
    }
  }

  /** References to [va, end) from outside of it. */
  into(va: bigint, end: bigint): Reference[] {
    const outside = ({ from }: Reference): boolean => from < va || from >= end;
    if (!this.index && this.looks++ < LOOKS) {
      return this.parts.flatMap((part) => searchReferences(part, va, end)).filter(outside);
    }
    this.index ??= sorted(this.collect(), this.size);
    const from = Math.max(0, Number(va - this.base));
    const to = Math.min(this.size, Number(end - this.base));
    const found: Reference[] = [];
    const { starts, sources } = this.index;
    for (let target = from; target < to; target++) {
      const last = starts[target + 1] as number;
      for (let i = starts[target] as number; i < last; i++) {
        const source = this.base + BigInt(sources[i] as number);
        found.push({ from: source, to: this.base + BigInt(target) });
      }
    }
    return found.filter(outside);
  }

  /** The same for branches with a displacement of one byte, in the machine's memory. */
  short(machine: Machine, va: bigint, end: bigint): Reference[] {
    const start = va - SHORT_REACH < this.base ? this.base : va - SHORT_REACH;
    const bytes = machine.read(start, Number(end + SHORT_REACH - start));
    const view = new DataView(bytes.buffer);
    const found: Reference[] = [];
    for (let at = 0; at + 2 <= bytes.length; at++) {
      const opcode = bytes[at] as number;
      if ((opcode & 0xf0) !== 0x70 && opcode !== 0xeb && (opcode & 0xfc) !== 0xe0) continue;
      const from = start + BigInt(at);
      const to = from + 2n + BigInt(view.getInt8(at + 1));
      if (to >= va && to < end && (from < va || from >= end)) found.push({ from: from + 1n, to });
    }
    return found;
  }
}
