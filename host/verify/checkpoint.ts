// A machine that is put back again and again: the pages it had are kept, and only those that have
// changed are written. What must be empty is made empty. Much cheaper than a snapshot: no file is
// made of it.

import * as abi from "../abi.js";
import type { Core } from "../core.js";
import { XenError } from "../error.js";
import type { Machine } from "../machine.js";

const PIECE = 65536;
const WORD = 8;
const ZEROS = new Uint8Array(PIECE);

function same(memory: Uint8Array, at: number, with_: Uint8Array): boolean {
  const part = Buffer.from(memory.buffer, memory.byteOffset + at, with_.length);
  return part.compare(with_) === 0;
}

export class Checkpoint {
  private readonly pieces = new Map<number, Uint8Array>();
  private readonly end: number;
  private readonly hash: bigint;

  constructor(private readonly machine: Machine) {
    this.end = machine.inside((core) => this.keep(core));
    this.hash = machine.stateHash();
  }

  private keep(core: Core): number {
    const memory = core.memory();
    const end = core.invoke("hv_used_end") >>> 0;
    for (let at = 0; at < end; at += PIECE) {
      const length = Math.min(PIECE, end - at);
      if (!same(memory, at, ZEROS.subarray(0, length))) {
        this.pieces.set(at, memory.slice(at, at + length));
      }
    }
    return end;
  }

  /** Whether everything that counts is as it was: image, payloads, page tables (A14). */
  holds(): boolean {
    return this.machine.stateHash() === this.hash;
  }

  /** Aligned words of [start, end) that are not what they were: where, and what they are now. */
  different(start: number, end: number): { readonly at: number; readonly now: bigint }[] {
    return this.machine.inside((core) => {
      const memory = core.memory();
      const found: { at: number; now: bigint }[] = [];
      for (let at = start - (start % PIECE); at < end; at += PIECE) {
        const piece = this.pieces.get(at) ?? ZEROS;
        if (same(memory, at, piece)) continue;
        const old = new DataView(piece.buffer, piece.byteOffset, piece.length);
        const now = core.view(at, piece.length);
        const [first, last] = [Math.max(start - at, 0), Math.min(end - at, piece.length)];
        for (let i = first; i + WORD <= last; i += WORD) {
          const value = now.getBigUint64(i, true);
          if (value !== old.getBigUint64(i, true)) found.push({ at: at + i, now: value });
        }
      }
      return found;
    });
  }

  /** Puts the machine back. */
  restore(): void {
    this.machine.inside((core) => {
      const memory = core.memory();
      const end = Math.max(this.end, core.invoke("hv_used_end") >>> 0);
      for (let at = 0; at < end; at += PIECE) {
        const length = Math.min(PIECE, end - at);
        const piece = this.pieces.get(at) ?? ZEROS.subarray(0, length);
        if (!same(memory, at, piece)) memory.set(piece, at);
      }
      const rc = core.invoke("hv_restored");
      if (rc < 0) throw XenError.of(-rc, abi.REASON_MACHINE_FILE_CORRUPT, { name: "checkpoint" });
    });
  }
}
