// Bounce buffers: memory of the calling domain that carries arguments of hypercalls, as libxc's
// bounce buffers do. A stack: what a scope took is zeroed and given back when the scope ends, so
// that a hypercall leaves the domain's memory as it was.

import * as abi from "./abi.js";
import { XenError } from "./error.js";

/** A domain's memory, as the machine shows it. */
export interface DomainMemory {
  /** Copies `length` bytes out of the domain. */
  read(va: bigint, length: number): Uint8Array;
  /** Copies bytes into the domain. */
  write(va: bigint, bytes: Uint8Array): void;
}

/** A buffer in the domain. */
export interface GuestBuffer {
  readonly va: bigint;
  readonly size: number;
  /** Its bytes now. */
  read(): Uint8Array;
}

/** Takes buffers; valid while the scope lasts. */
export type Allocate = (contents: Uint8Array | number) => GuestBuffer;

const ALIGN = 16;
/** Zeroing goes through a border of limited width: not more than this at once. */
const PIECE = 65536;

export class GuestMemory {
  private top = 0;

  /**
   * @param base first address of the domain's RAM
   * @param size bytes of it
   */
  constructor(
    private readonly memory: DomainMemory,
    readonly base: bigint,
    readonly size: number,
  ) {}

  /** Runs `work` with an allocator; gives everything back when it ends, also by an exception. */
  scope<T>(work: (allocate: Allocate) => T): T {
    const bottom = this.top;
    try {
      return work((contents) => this.take(contents));
    } finally {
      this.release(bottom);
    }
  }

  private take(contents: Uint8Array | number): GuestBuffer {
    const size = typeof contents === "number" ? contents : contents.length;
    const room = Math.ceil(size / ALIGN) * ALIGN;
    if (this.top + room > this.size) {
      const operands = { value: BigInt(size), limit: BigInt(this.size - this.top) };
      throw XenError.of(abi.ENOMEM, abi.REASON_NO_MEMORY, operands);
    }
    const va = this.base + BigInt(this.top);
    this.top += room;
    if (typeof contents !== "number") this.memory.write(va, contents);
    return { va, size, read: () => this.memory.read(va, size) };
  }

  private release(bottom: number): void {
    const zeros = new Uint8Array(Math.min(PIECE, this.top - bottom));
    for (let at = bottom; at < this.top; at += zeros.length) {
      const rest = Math.min(zeros.length, this.top - at);
      this.memory.write(this.base + BigInt(at), zeros.subarray(0, rest));
    }
    this.top = bottom;
  }
}
