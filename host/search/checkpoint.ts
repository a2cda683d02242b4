// A machine at one moment, to come back to, as the pages that differ from what they were when the
// search began. Which pages can differ: the machine's own records, tables, stacks and payloads are
// compared; the image's memory and the domains' is written through the core's gates alone, which
// note each page (assembly/hv/watch.ts), and is by far the largest part.

import * as abi from "../abi.js";
import type { Core } from "../core.js";

const PAGE = 4096;
const PIECE = 16 * PAGE;
/** The owners (assembly/hv/frames.ts) of pages that are noted. */
const NOTED: ReadonlySet<number> = new Set([abi.FRAME_OWNER_IMAGE, abi.FRAME_OWNER_DOMAIN]);
const ZERO = Buffer.alloc(PIECE);

interface Range {
  readonly from: number;
  readonly to: number;
}

/** The bytes of the pages that differ, by their offset. */
export type Checkpoint = ReadonlyMap<number, Uint8Array>;

export class Checkpoints {
  private readonly memory: Buffer;
  private readonly base: Buffer;
  private readonly ranges: readonly Range[];
  private readonly noted: (offset: number) => boolean;

  /** Takes the machine as it is for the beginning; `hv_watch` has been called. */
  constructor(private readonly core: Core) {
    this.memory = Buffer.from(core.memory().buffer);
    const end = core.invoke("hv_used_end") >>> 0;
    const frames = core.invoke("hv_frames_off") >>> 0;
    const owners = core.bytes(core.invoke("hv_owners_off") >>> 0, (end - frames) / PAGE).slice();
    this.noted = (offset) =>
      offset >= frames && offset < end && NOTED.has(owners[(offset - frames) / PAGE] ?? 0);
    this.base = Buffer.from(this.memory.subarray(0, end));
    this.ranges = this.comparedRanges(end);
  }

  private comparedRanges(end: number): Range[] {
    const ranges: { from: number; to: number }[] = [];
    for (let offset = 0; offset < end; offset += PAGE) {
      if (this.noted(offset)) continue;
      const last = ranges.at(-1);
      if (last?.to === offset && offset - last.from < PIECE) last.to += PAGE;
      else ranges.push({ from: offset, to: offset + PAGE });
    }
    return ranges;
  }

  private differs(from: number, to: number): boolean {
    const { length } = this.base;
    if (from >= length) return this.memory.compare(ZERO, 0, to - from, from, to) !== 0;
    return this.memory.compare(this.base, from, to, from, to) !== 0;
  }

  /** Offsets of the pages that are not what they were. */
  changed(): number[] {
    const pages: number[] = [];
    const look = (offset: number): void => {
      if (this.differs(offset, offset + PAGE)) pages.push(offset);
    };
    for (const { from, to } of this.ranges) {
      if (!this.differs(from, to)) continue;
      for (let offset = from; offset < to; offset += PAGE) look(offset);
    }
    const end = this.core.invoke("hv_used_end") >>> 0;
    for (let offset = this.base.length; offset < end; offset += PAGE) look(offset);
    const count = this.core.invoke("hv_watched");
    const written = this.core.view(this.core.invoke("hv_watched_off") >>> 0, count * RECORD);
    for (let i = 0; i < count; i++) {
      const offset = written.getUint32(i * RECORD + abi.WATCHED_OFF, true);
      if (this.noted(offset)) look(offset);
    }
    return pages;
  }

  take(): Checkpoint {
    return new Map(this.changed().map((offset) => [offset, this.core.bytes(offset, PAGE).slice()]));
  }

  /** Back to where the machine was. */
  rollback(to: Checkpoint): void {
    const restored = this.changed().filter((offset) => !to.has(offset));
    for (const offset of restored) {
      if (offset >= this.base.length) this.memory.fill(0, offset, offset + PAGE);
      else this.base.copy(this.memory, offset, offset, offset + PAGE);
    }
    for (const [offset, bytes] of to) {
      this.memory.set(bytes, offset);
      restored.push(offset);
    }
    const record = this.core.record();
    const room = abi.IO_WINDOW_SIZE / 4;
    for (let at = 0; at === 0 || at < restored.length; at += room) {
      const part = restored.slice(at, at + room);
      part.forEach((offset, i) => {
        record.setUint32(4 * i, offset, true);
      });
      this.core.invoke("hv_rolled_back", part.length);
    }
  }
}

const RECORD = abi.WATCHED_RECORD;
