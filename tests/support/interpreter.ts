// The interpreter alone, as the tests drive it: tests/assembly/support/bare_cpu.ts, compiled with
// the core's options. The compiled module is kept in build/ as long as its sources do not change.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { filesBelow, inRoot, readText } from "./root.js";

const ENTRY = "tests/assembly/support/bare_cpu.ts";

interface Exports {
  readonly memory: WebAssembly.Memory;
  init(user: number): void;
  map(va: bigint, pages: number, perms: number): number;
  write(va: bigint, len: bigint): bigint;
  read(va: bigint, len: bigint): bigint;
  io_off(): number;
  cpu_off(): number;
  fault_off(): number;
  retired(): bigint;
  return_va(): bigint;
  flush(): void;
  load_gdt(va: bigint, limit: number): void;
  run(instructions: bigint): number;
  length(off: number, max: number, va: bigint): number;
  operation(): number;
  is_executed(): number;
}

function compile(): Uint8Array {
  const { options, targets } = JSON.parse(readText("asconfig.json"));
  const hash = createHash("sha256");
  const sources = [...filesBelow("assembly/hv", [".ts"]), "assembly/abi.ts", ENTRY];
  for (const path of [...sources, "asconfig.json"]) hash.update(`${path}\0`).update(readText(path));
  const name = `interpreter-${hash.digest("hex").slice(0, 16)}.wasm`;
  const output = inRoot("build", name);
  if (!existsSync(output)) {
    mkdirSync(inRoot("build"), { recursive: true });
    // An empty configuration: the project's names other entries.
    const config = inRoot("build", "interpreter.asconfig.json");
    writeFileSync(config, "{}\n");
    const aside = `${output}.${process.pid}`;
    const flags = [
      ["--config", config],
      ["--runtime", options.runtime],
      ["--memoryBase", options.memoryBase],
      ["--initialMemory", options.initialMemory],
      ["--maximumMemory", options.maximumMemory],
      ["--use", options.use[0]],
      ["--optimizeLevel", targets.release.optimizeLevel],
      ["-o", aside],
    ];
    const asc = inRoot("node_modules/assemblyscript/bin/asc.js");
    const args = [asc, ENTRY, ...flags.flat().map(String)];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: inRoot() });
    if (status !== 0) throw new Error(`asc: ${stderr}`);
    renameSync(aside, output);
  }
  return readFileSync(output);
}

export const PERM_R = 1;
export const PERM_W = 2;
export const PERM_X = 4;
export const RSP = 4;
export const RIP = 16;
export const RFLAGS = 17;
const XMM_OFF = 512;

/** A field of the CPU record beside the general registers: its offset and bytes. */
export interface Field {
  readonly at: number;
  readonly bytes: 2 | 4;
}
const CS_OFF = 256;
const LEGACY_OFF = 768;
const LEGACY_SIZE = 160;
/** es cs ss ds fs gs, in the order of ModRM.reg. */
export const SEGMENTS = [3, 0, 1, 2, 4, 5].map(
  (i): Field => ({ at: CS_OFF + 2 * i, bytes: 2 }),
) as unknown as readonly [Field, Field, Field, Field, Field, Field];
export const FCW: Field = { at: LEGACY_OFF, bytes: 2 };
export const FSW: Field = { at: LEGACY_OFF + 2, bytes: 2 };
export const MXCSR: Field = { at: LEGACY_OFF + 24, bytes: 4 };
/** rdi rsi rdx rcx r8 r9, in encoding order. */
const ARGUMENTS = [7, 6, 2, 1, 8, 9];
const CHUNK = 0x8000;
const PAGE = 0xfffn;
const PT_LOAD = 1;
const SHT_SYMTAB = 2;

export interface Fault {
  readonly vector: number;
  readonly error: number;
  readonly va: bigint;
}

export class Interpreter {
  readonly exports: Exports;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  private readonly cpu: number;

  constructor({ user = false } = {}) {
    const fail = (): never => {
      throw new Error("the interpreter panicked");
    };
    const hv = { panic: fail, console: () => {}, firmware: () => 0 };
    const module = new WebAssembly.Module(new Uint8Array(compile()));
    const instance = new WebAssembly.Instance(module, { hv });
    this.exports = instance.exports as unknown as Exports;
    this.bytes = new Uint8Array(this.exports.memory.buffer);
    this.view = new DataView(this.exports.memory.buffer);
    this.exports.init(user ? 1 : 0);
    this.cpu = this.exports.cpu_off();
  }

  /** Maps fresh zeroed pages and returns where they lie in linear memory. */
  map(va: bigint, pages: number, perms: number): number {
    const off = this.exports.map(va, pages, perms);
    if (off === 0) throw new Error("no frames");
    return off;
  }

  /** General register in encoding order, RIP or RFLAGS. */
  get(register: number): bigint {
    return this.view.getBigUint64(this.cpu + 8 * register, true);
  }
  set(register: number, value: bigint): void {
    this.view.setBigUint64(this.cpu + 8 * register, value, true);
  }
  /** One half of an XMM register. */
  getXmm(register: number, half: number): bigint {
    return this.view.getBigUint64(this.cpu + XMM_OFF + 16 * register + 8 * half, true);
  }
  setXmm(register: number, half: number, value: bigint): void {
    this.view.setBigUint64(this.cpu + XMM_OFF + 16 * register + 8 * half, value, true);
  }

  getField({ at, bytes }: Field): number {
    const off = this.cpu + at;
    return bytes === 2 ? this.view.getUint16(off, true) : this.view.getUint32(off, true);
  }
  setField({ at, bytes }: Field, value: number): void {
    if (bytes === 2) this.view.setUint16(this.cpu + at, value, true);
    else this.view.setUint32(this.cpu + at, value, true);
  }

  /** x87 registers empty and zero, and its pointers. */
  clearLegacy(): void {
    this.bytes.fill(0, this.cpu + LEGACY_OFF, this.cpu + LEGACY_OFF + LEGACY_SIZE);
    this.view.setUint32(this.cpu + LEGACY_OFF + 28, 0xffff, true); // what MXCSR has
  }

  fault(): Fault {
    const off = this.exports.fault_off();
    return {
      vector: this.view.getUint32(off, true),
      error: this.view.getUint32(off + 4, true),
      va: this.view.getBigUint64(off + 8, true),
    };
  }

  write(va: bigint, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const part = bytes.subarray(at, at + CHUNK);
      this.bytes.set(part, this.exports.io_off());
      if (this.exports.write(va + BigInt(at), BigInt(part.length)) !== 0n) {
        throw new Error(`nothing is mapped at 0x${va.toString(16)}`);
      }
    }
  }

  /** Loads a static executable; returns its entry point. */
  load(path: string): bigint {
    const bytes = new Uint8Array(readFileSync(path));
    const view = new DataView(bytes.buffer);
    const headers = Number(view.getBigUint64(32, true));
    for (let i = 0; i < view.getUint16(56, true); i++) {
      const at = headers + 56 * i;
      if (view.getUint32(at, true) !== PT_LOAD) continue;
      const flags = view.getUint32(at + 4, true);
      const offset = Number(view.getBigUint64(at + 8, true));
      const va = view.getBigUint64(at + 16, true);
      const fileSize = Number(view.getBigUint64(at + 32, true));
      const end = va + view.getBigUint64(at + 40, true);
      const pages = ((end + PAGE) >> 12n) - (va >> 12n);
      const perms = PERM_R | (flags & 2 ? PERM_W : 0) | (flags & 1 ? PERM_X : 0);
      this.map(va & ~PAGE, Number(pages), perms);
      this.write(va, bytes.subarray(offset, offset + fileSize));
    }
    return view.getBigUint64(24, true);
  }

  /** Calls a function with the System V convention; returns STOP_*. RAX holds the result. */
  call(va: bigint, args: readonly bigint[], stack: bigint, budget: bigint): number {
    const top = new BigUint64Array([BigInt.asUintN(64, this.exports.return_va())]);
    this.write(stack - 8n, new Uint8Array(top.buffer));
    this.set(RSP, stack - 8n);
    this.set(RIP, va);
    this.set(RFLAGS, 0x202n);
    for (const [i, value] of args.entries()) this.set(ARGUMENTS[i] ?? 0, value);
    return this.exports.run(budget);
  }
}

/** Address of a symbol of an ELF file. */
export function symbolOf(path: string, name: string): bigint {
  const bytes = readFileSync(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const sections = Number(view.getBigUint64(40, true));
  const field = (section: number, at: number): number =>
    Number(view.getBigUint64(sections + 64 * section + at, true));
  for (let i = 0; i < view.getUint16(60, true); i++) {
    if (view.getUint32(sections + 64 * i + 4, true) !== SHT_SYMTAB) continue;
    const strings = field(view.getUint32(sections + 64 * i + 40, true), 24);
    for (let at = field(i, 24); at < field(i, 24) + field(i, 32); at += 24) {
      const from = strings + view.getUint32(at, true);
      if (bytes.toString("latin1", from, bytes.indexOf(0, from)) !== name) continue;
      return view.getBigUint64(at + 8, true);
    }
  }
  throw new Error(`${path} has no symbol ${name}`);
}
