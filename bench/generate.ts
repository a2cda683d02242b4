// Images and payloads of any size: an x86-64 ELF executable with `count` functions of 16 bytes,
// each returning its number, and a payload that replaces all of them.

import { BUILD_ID, buildPayload, trampoline } from "../tests/engine/payload.js";

const BASE = 0xffff82d080200000n;
const FUNCTION_SIZE = 16;
const PAGE = 4096;

const name = (i: number): string => `function_${i}`;

/** mov $value,%eax; ret; the rest int3. */
function returns(value: number): Uint8Array {
  const code = new Uint8Array(FUNCTION_SIZE).fill(0xcc);
  code.set([0xb8, value, value >>> 8, value >>> 16, value >>> 24, 0xc3]);
  return code;
}

interface Part {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly va: bigint;
  readonly bytes: Uint8Array;
  readonly link?: number;
  readonly info?: number;
  readonly entsize?: number;
}

function note(): Uint8Array {
  const id = Buffer.from(BUILD_ID, "hex");
  const head = Buffer.from(Uint32Array.of(4, id.length, 3).buffer);
  return Buffer.concat([head, Buffer.from("GNU\0"), id]);
}

function symbolTables(count: number): { symtab: Uint8Array; strtab: Uint8Array } {
  const symtab = Buffer.alloc((count + 1) * 24);
  const names: string[] = [""];
  let at = 1;
  for (let i = 0; i < count; i++) {
    const o = (i + 1) * 24;
    symtab.writeUInt32LE(at, o);
    symtab.writeUInt8(0x12, o + 4); // STB_GLOBAL, STT_FUNC
    symtab.writeUInt16LE(1, o + 6);
    symtab.writeBigUInt64LE(BASE + BigInt(i * FUNCTION_SIZE), o + 8);
    symtab.writeBigUInt64LE(BigInt(FUNCTION_SIZE), o + 16);
    names.push(name(i));
    at += name(i).length + 1;
  }
  return { symtab, strtab: Buffer.from(`${names.join("\0")}\0`) };
}

/** Header, two program headers, the parts at page boundaries, section headers. */
function link(parts: readonly Part[]): Uint8Array {
  const names = Buffer.from(`\0${parts.map((part) => part.name).join("\0")}\0`);
  let end = PAGE;
  const offsets = parts.map(({ bytes }) => {
    const at = end;
    end = Math.ceil((end + bytes.length) / PAGE) * PAGE;
    return at;
  });
  const file = Buffer.alloc(end + parts.length * 64 + 64);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.set(Buffer.from(Uint16Array.of(2, 62).buffer), 16);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BASE, 24);
  file.writeBigUInt64LE(64n, 32);
  file.writeBigUInt64LE(BigInt(end), 40);
  file.set(Buffer.from(Uint16Array.of(64, 56, 2, 64, parts.length + 1, parts.length).buffer), 52);
  parts.forEach((part, i) => {
    const [at, size] = [BigInt(offsets[i] as number), BigInt(part.bytes.length)];
    file.set(part.bytes, offsets[i]);
    const o = end + (i + 1) * 64;
    file.writeUInt32LE(names.indexOf(`\0${part.name}\0`) + 1, o);
    file.writeUInt32LE(part.type, o + 4);
    const wide = [BigInt(part.flags), part.va, at, size];
    file.set(Buffer.from(BigUint64Array.from(wide).buffer), o + 8);
    file.writeUInt32LE(part.link ?? 0, o + 40);
    file.writeUInt32LE(part.info ?? 0, o + 44);
    file.writeBigUInt64LE(16n, o + 48);
    file.writeBigUInt64LE(BigInt(part.entsize ?? 0), o + 56);
    if (part.va === 0n) return;
    const p = 64 + i * 56;
    file.set(Buffer.from(Uint32Array.of(1, part.flags & 4 ? 5 : 4).buffer), p);
    const segment = [at, part.va, part.va, size, size, BigInt(PAGE)];
    file.set(Buffer.from(BigUint64Array.from(segment).buffer), p + 8);
  });
  return file;
}

/** The image. */
export function image(count: number): Uint8Array {
  const text = new Uint8Array(count * FUNCTION_SIZE);
  for (let i = 0; i < count; i++) text.set(returns(i), i * FUNCTION_SIZE);
  const behind = BASE + BigInt(Math.ceil(text.length / PAGE) * PAGE);
  const { symtab, strtab } = symbolTables(count);
  const names = [".text", ".note.gnu.build-id", ".symtab", ".strtab", ".shstrtab"];
  const shstrtab = Buffer.from(`\0${names.join("\0")}\0`);
  return link([
    { name: ".text", type: 1, flags: 6, va: BASE, bytes: text },
    { name: ".note.gnu.build-id", type: 7, flags: 2, va: behind, bytes: note() },
    { name: ".symtab", type: 2, flags: 0, va: 0n, bytes: symtab, link: 4, info: 1, entsize: 24 },
    { name: ".strtab", type: 3, flags: 0, va: 0n, bytes: strtab },
    { name: ".shstrtab", type: 3, flags: 0, va: 0n, bytes: shstrtab },
  ]);
}

/** What a replaced function returns beyond its number. */
export const CHANGE = 1_000_000;

/** A payload that replaces the first `count` functions. */
export function payload(count: number): Uint8Array {
  const places = Array.from({ length: count }, (_, i) =>
    trampoline(name(i), FUNCTION_SIZE, returns(i + CHANGE).slice(0, 6)),
  );
  return buildPayload({ name: `all ${count}`, places });
}

export const functionName = name;
