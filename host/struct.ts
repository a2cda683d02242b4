// C structures as bytes: a codec per scalar, and `struct` to lay them out as the x86-64 psABI does
// (natural alignment, little endian, padding zero). The offset of every field is also stated by the
// public header (abi.ts); a layout that disagrees is refused when the module is loaded.

/** How one C type becomes a value of TypeScript and back. */
export interface Codec<T> {
  readonly size: number;
  readonly align: number;
  read(view: DataView, offset: number): T;
  write(view: DataView, offset: number, value: T): void;
}

/** A field with the offset that the public header gives it. */
export interface Field<T> {
  readonly offset: number;
  readonly codec: Codec<T>;
}

type Fields<T> = { readonly [Name in keyof T]: Field<T[Name]> };

function inRange(value: number, low: number, high: number, type: string): number {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new RangeError(`${value} is not a ${type}`);
  }
  return value;
}

export const u8: Codec<number> = {
  size: 1,
  align: 1,
  read: (view, offset) => view.getUint8(offset),
  write: (view, offset, value) => view.setUint8(offset, inRange(value, 0, 0xff, "u8")),
};

export const u16: Codec<number> = {
  size: 2,
  align: 2,
  read: (view, offset) => view.getUint16(offset, true),
  write: (view, offset, value) => view.setUint16(offset, inRange(value, 0, 0xffff, "u16"), true),
};

export const u32: Codec<number> = {
  size: 4,
  align: 4,
  read: (view, offset) => view.getUint32(offset, true),
  write: (view, offset, value) =>
    view.setUint32(offset, inRange(value, 0, 0xffffffff, "u32"), true),
};

export const s32: Codec<number> = {
  size: 4,
  align: 4,
  read: (view, offset) => view.getInt32(offset, true),
  write: (view, offset, value) =>
    view.setInt32(offset, inRange(value, -0x80000000, 0x7fffffff, "s32"), true),
};

export const u64: Codec<bigint> = {
  size: 8,
  align: 8,
  read: (view, offset) => view.getBigUint64(offset, true),
  write: (view, offset, value) => {
    if (BigInt.asUintN(64, value) !== value) throw new RangeError(`${value} is not a u64`);
    view.setBigUint64(offset, value, true);
  },
};

/** XEN_GUEST_HANDLE_64: a pointer of the calling guest, 8 bytes in every build. */
export const handle: Codec<bigint> = u64;

/** A fixed array of bytes; a shorter value is filled with zeros (K36). */
export function bytes(size: number): Codec<Uint8Array> {
  return {
    size,
    align: 1,
    read: (view, offset) => new Uint8Array(view.buffer, view.byteOffset + offset, size).slice(),
    write: (view, offset, value) => {
      if (value.length > size) throw new RangeError(`${value.length} bytes, at most ${size}`);
      const target = new Uint8Array(view.buffer, view.byteOffset + offset, size);
      target.fill(0).set(value);
    },
  };
}

export function at<T>(offset: number, codec: Codec<T>): Field<T> {
  return { offset, codec };
}

/**
 * A structure. Fields stand in the order of the C declaration.
 * @param size what sizeof says in the public header
 */
export function struct<T extends object>(name: string, size: number, fields: Fields<T>): Codec<T> {
  const entries = Object.entries(fields) as [keyof T & string, Field<T[keyof T & string]>][];
  let end = 0;
  let align = 1;
  for (const [field, { offset, codec }] of entries) {
    const natural = Math.ceil(end / codec.align) * codec.align;
    if (natural !== offset) throw new Error(`${name}.${field}: at ${natural}, not ${offset}`);
    end = offset + codec.size;
    align = Math.max(align, codec.align);
  }
  const natural = Math.ceil(end / align) * align;
  if (natural !== size) throw new Error(`sizeof ${name}: ${natural}, not ${size}`);
  return {
    size,
    align,
    read(view, offset) {
      const value: Partial<T> = {};
      for (const [field, { offset: at, codec }] of entries) {
        value[field] = codec.read(view, offset + at);
      }
      return value as T;
    },
    write(view, offset, value) {
      new Uint8Array(view.buffer, view.byteOffset + offset, size).fill(0);
      for (const [field, { offset: at, codec }] of entries) {
        codec.write(view, offset + at, value[field]);
      }
    },
  };
}

/** The bytes of a value. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const buffer = new Uint8Array(codec.size);
  codec.write(new DataView(buffer.buffer), 0, value);
  return buffer;
}

/** The value at `offset` of `buffer`; RangeError when it does not lie inside. */
export function decode<T>(codec: Codec<T>, buffer: Uint8Array, offset = 0): T {
  if (offset < 0 || offset + codec.size > buffer.length) {
    throw new RangeError(`${codec.size} bytes at ${offset} of ${buffer.length}`);
  }
  return codec.read(new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength), offset);
}
