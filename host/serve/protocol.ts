// Frames between a client program and the machine, on a stream: u32 type, u32 length, body; little
// endian. The client sends a hypercall and then serves reads and writes of its own memory until the
// result comes. The other end is shim/privcmd.c.

/** Client: u64 op, u64 arg[5] (struct privcmd_hypercall). */
export const FRAME_HYPERCALL = 1;
/** Machine: u64 va, u64 length; answered by status and bytes. */
export const FRAME_READ = 2;
/** Machine: u64 va, bytes; answered by a status. */
export const FRAME_WRITE = 3;
/** Client: u32 status (0 or EFAULT), bytes. */
export const FRAME_ANSWER = 4;
/** Machine: s64. */
export const FRAME_RESULT = 5;

export const HYPERCALL_ARGS = 5;
const HEAD = 8;
/** A client sends hypercalls and answers to reads that we asked for: nothing larger is valid. */
const LONGEST = 64 * 1024 * 1024;

export interface Frame {
  readonly type: number;
  readonly body: Buffer;
}

export function encodeFrame(type: number, ...parts: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(HEAD);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(
    parts.reduce((sum, part) => sum + part.length, 0),
    4,
  );
  return Buffer.concat([head, ...parts]);
}

export function u64s(...values: readonly bigint[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length);
  values.forEach((value, i) => void bytes.writeBigUInt64LE(BigInt.asUintN(64, value), 8 * i));
  return bytes;
}

/** Puts frames together from pieces of a stream. */
export class FrameReader {
  private pieces: Buffer[] = [];
  private size = 0;

  /** @throws Error when no valid frame can start like this */
  push(piece: Buffer): Frame[] {
    this.pieces.push(piece);
    this.size += piece.length;
    const frames: Frame[] = [];
    for (let frame = this.take(); frame; frame = this.take()) frames.push(frame);
    return frames;
  }

  private take(): Frame | undefined {
    if (this.size < HEAD) return undefined;
    const first = this.pieces[0];
    if (first && first.length < HEAD) this.pieces = [Buffer.concat(this.pieces)];
    const head = this.pieces[0] as Buffer;
    const length = head.readUInt32LE(4);
    if (length > LONGEST) throw new Error(`a frame of ${length} bytes`);
    if (this.size < HEAD + length) return undefined;
    const all = this.pieces.length === 1 ? head : Buffer.concat(this.pieces);
    const rest = all.subarray(HEAD + length);
    this.pieces = rest.length > 0 ? [rest] : [];
    this.size = rest.length;
    return { type: all.readUInt32LE(0), body: all.subarray(HEAD, HEAD + length) };
  }
}
