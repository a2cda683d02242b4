// Bounce buffers: memory of the calling domain that carries arguments of hypercalls, as libxc's
// bounce buffers do. A stack: what a scope took is zeroed and given back when the scope ends, so
// that a hypercall leaves the domain's memory as it was. What a hypercall holds that is begun and
// not waited for comes from the other end of the memory, and is given back in any order.

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

/** A buffer that stays until it is released. */
export interface HeldBuffer extends GuestBuffer {
  release(): void;
}

/** Takes buffers; valid while the scope lasts. */
export type Allocate = (contents: Uint8Array | number) => GuestBuffer;

const ALIGN = 16;
/** Zeroing goes through a border of limited width: not more than this at once. */
const PIECE = 65536;

export class GuestMemory {
  private top = 0;
  private readonly held = new Set<number>();

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

  /** Takes a buffer that outlives its scope. */
  hold(contents: Uint8Array): HeldBuffer {
    const room = this.roomFor(contents.length);
    const at = this.ceiling - room;
    this.held.add(at);
    const release = (): void => {
      if (this.held.delete(at)) this.clear(at, at + room);
    };
    return { ...this.buffer(at, contents), release };
  }

  /** Where what is held begins. */
  private get ceiling(): number {
    return Math.min(this.size - (this.size % ALIGN), ...this.held);
  }

  private roomFor(size: number): number {
    const room = Math.ceil(size / ALIGN) * ALIGN;
    if (this.top + room <= this.ceiling) return room;
    const operands = { value: BigInt(size), limit: BigInt(this.ceiling - this.top) };
    throw XenError.of(abi.ENOMEM, abi.REASON_NO_MEMORY, operands);
  }

  private buffer(at: number, contents: Uint8Array | number): GuestBuffer {
    const va = this.base + BigInt(at);
    const size = typeof contents === "number" ? contents : contents.length;
    if (typeof contents !== "number") this.memory.write(va, contents);
    return { va, size, read: () => this.memory.read(va, size) };
  }

  private take(contents: Uint8Array | number): GuestBuffer {
    const at = this.top;
    this.top += this.roomFor(typeof contents === "number" ? contents : contents.length);
    return this.buffer(at, contents);
  }

  private release(bottom: number): void {
    this.clear(bottom, this.top);
    this.top = bottom;
  }

  private clear(from: number, to: number): void {
    const zeros = new Uint8Array(Math.min(PIECE, to - from));
    for (let at = from; at < to; at += zeros.length) {
      const rest = Math.min(zeros.length, to - at);
      this.memory.write(this.base + BigInt(at), zeros.subarray(0, rest));
    }
  }
}

/** What reads and writes the memory of any domain. */
interface AnyDomain {
  read(va: bigint, length: number, options: { readonly domain: number }): Uint8Array;
  write(va: bigint, bytes: Uint8Array, options: { readonly domain: number }): void;
}

/** The bounce buffers of every domain of a machine. */
export class GuestMemories {
  private readonly guests = new Map<number, GuestMemory>();

  constructor(private readonly machine: AnyDomain) {}

  of(domain: number): GuestMemory {
    const known = this.guests.get(domain);
    if (known) return known;
    const memory: DomainMemory = {
      read: (va, length) => this.machine.read(va, length, { domain }),
      write: (va, bytes) => this.machine.write(va, bytes, { domain }),
    };
    const size = domain === 0 ? abi.DOM0_RAM_BYTES : abi.DOMU_RAM_BYTES;
    const guest = new GuestMemory(memory, BigInt(abi.GUEST_RAM_START), size);
    this.guests.set(domain, guest);
    return guest;
  }

  /** Another machine: nothing is taken or held any more. */
  clear(): void {
    this.guests.clear();
  }
}
