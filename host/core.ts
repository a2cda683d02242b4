// The WebAssembly module: the only file that touches the loader and the raw exports. It
// instantiates, provides the imports of module "hv", turns signed results into unsigned ones,
// refuses another ABI version, and makes one typed MachineBug of every trap and panic; the
// instance is dead afterwards.

import { instantiateSync } from "@assemblyscript/loader";
import * as abi from "./abi.js";
import { MachineBug } from "./error.js";

/** The exports of assembly/index.ts as WebAssembly has them: numbers and bigints are signed. */
export interface CoreExports {
  hv_abi_version(): number;
  hv_machine_end(): number;
  hv_used_end(): number;
  hv_io_off(): number;
  hv_stage(bytes: number): number;
  hv_unstage(): void;
  hv_boot(imageOff: number, imageLength: number): number;
  hv_call(cpu: number, va: bigint, nargs: number, budget: bigint, domain: number): number;
  hv_domain_ram(domain: number): number;
  hv_hypercall(domain: number, cpu: number, nr: bigint, nargs: number, budget: bigint): number;
  hv_begin(domain: number, cpu: number, nr: bigint, nargs: number): number;
  hv_collect(cpu: number): number;
  hv_run(instructions: bigint, ns: bigint): number;
  hv_read(domain: number, va: bigint, length: number): number;
  hv_write(domain: number, va: bigint, length: number): number;
  hv_symbol_count(): number;
  hv_symbol_lookup(length: number): number;
  hv_symbol_at(va: bigint): number;
  hv_symbol_info(index: number): number;
  hv_entry_symbol(va: bigint): number;
  hv_info(): number;
  hv_key(char: number): number;
  hv_console_off(): number;
  hv_console_head(): bigint;
  hv_refusal(): number;
  hv_refusal_of(): number;
  hv_map_count(): number;
  hv_map_get(index: number): number;
  hv_payload_count(): number;
  hv_payload_get(index: number): number;
  hv_cpu_get(cpu: number): number;
  hv_frames(cpu: number, frames: number): number;
  hv_cpu_online(cpu: number, online: number): number;
  hv_interrupt(cpu: number, vector: number): number;
  hv_step(cpu: number, instructions: number): number;
  hv_step_visible(cpu: number, limit: number): number;
  hv_hotplug(cpu: number, online: number): number;
  hv_skip(): void;
  hv_watch(on: number): void;
  hv_watched(): number;
  hv_watched_off(): number;
  hv_owners_off(): number;
  hv_frames_off(): number;
  hv_rolled_back(count: number): void;
  hv_schedule_hash(): bigint;
  hv_violation(): number;
  hv_test_guards(mask: number): void;
  hv_policy(domain: number, mask: number): number;
  hv_keystore(length: number): number;
  hv_firmware_answer(request: number, verdict: number): void;
  hv_livepatch_count(): number;
  hv_livepatch_get(index: number): number;
  hv_livepatch_func(index: number, i: number): number;
  hv_livepatch_symbol_at(va: bigint): number;
  hv_livepatch_refusal(index: number): number;
  hv_site_count(): number;
  hv_site_get(index: number): number;
  hv_branch_around(field: bigint, target: bigint): bigint;
  hv_trace(on: number): number;
  hv_trace_off(): number;
  hv_state_hash(): bigint;
  hv_restored(): number;
  hv_audit(): number;
}

/** What the core asks of its host. Called while the core runs: may not call it, nor throw. */
export interface CoreServices {
  /** A byte on the hypervisor's console. */
  console(byte: number): void;
  /** A signature to verify: FIRMWARE_* at this linear offset. */
  firmware(requestOff: number): number;
}

type Name = keyof CoreExports;
type Arguments<N extends Name> = Parameters<CoreExports[N]>;
type Result<N extends Name> = ReturnType<CoreExports[N]>;

/** A string of AssemblyScript: UTF-16, its length in bytes before it. */
function readString(memory: WebAssembly.Memory, off: number): string {
  if (off === 0) return "";
  const length = new DataView(memory.buffer).getUint32(off - 4, true);
  return new TextDecoder("utf-16le").decode(new Uint8Array(memory.buffer, off, length));
}

export class Core {
  private readonly exports: CoreExports;
  private readonly linear: WebAssembly.Memory;
  private bug: MachineBug | undefined;
  private panicked = "";
  private readonly io: number;
  /** Bytes of linear memory that are the machine: [0, machineEnd). */
  readonly machineEnd: number;

  constructor(
    readonly module: WebAssembly.Module,
    services: CoreServices,
  ) {
    const panic = (message: number, file: number, line: number, column: number): void => {
      const text = readString(this.linear, message) || "assertion failed";
      this.panicked = `${text} (${readString(this.linear, file)}:${line}:${column})`;
      throw new Error(this.panicked);
    };
    const hv = { panic, console: services.console, firmware: services.firmware };
    const { exports } = instantiateSync<Record<string, unknown>>(module, { hv });
    this.exports = exports as unknown as CoreExports;
    this.linear = exports.memory as WebAssembly.Memory;
    const version = this.invoke("hv_abi_version");
    if (version !== abi.ABI_VERSION) {
      throw new Error(`the core speaks ABI version ${version}, this library ${abi.ABI_VERSION}`);
    }
    this.machineEnd = this.invoke("hv_machine_end") >>> 0;
    this.io = this.invoke("hv_io_off") >>> 0;
  }

  /** Calls an export. @throws MachineBug when the core fails, now or before */
  invoke<N extends Name>(name: N, ...args: Arguments<N>): Result<N> {
    if (this.bug) throw this.bug;
    const run = this.exports[name] as ((...args: unknown[]) => unknown) | undefined;
    if (!run) throw new Error(`the core has no export ${name}`);
    try {
      return run(...args) as Result<N>;
    } catch (cause) {
      const what = this.panicked || (cause instanceof Error ? cause.message : String(cause));
      const message = `the machine failed in ${name}: ${what}`;
      this.bug = new MachineBug(message, name, this.consoleTail(), { cause });
      throw this.bug;
    }
  }

  /** The last console lines, read past the exports: they may be all that is left. */
  private consoleTail(): string[] {
    try {
      const head = BigInt.asUintN(64, this.exports.hv_console_head());
      const bytes = this.bytes(this.exports.hv_console_off() >>> 0, abi.CONSOLE_RING_BYTES);
      return ringLines(bytes, head).slice(-10);
    } catch {
      return [];
    }
  }

  /** All of linear memory. Memory never grows, so the view stays good. */
  memory(): Uint8Array {
    return new Uint8Array(this.linear.buffer);
  }

  /** A view of linear memory. */
  bytes(off: number, length: number): Uint8Array {
    return new Uint8Array(this.linear.buffer, off, length);
  }

  view(off: number, length: number): DataView {
    return new DataView(this.linear.buffer, off, length);
  }

  /** The window for records and bytes that cross the border. */
  window(length: number = abi.IO_WINDOW_SIZE): Uint8Array {
    return this.bytes(this.io, length);
  }

  /** The same as a record. */
  record(): DataView {
    return this.view(this.io, abi.IO_WINDOW_SIZE);
  }
}

/** The lines of a ring of which `head` bytes were ever written; a cut first line is dropped. */
export function ringLines(ring: Uint8Array, head: bigint): string[] {
  if (head === 0n) return [];
  const size = ring.length;
  const at = Number(head % BigInt(size));
  const whole = head <= BigInt(size);
  const bytes = whole
    ? ring.slice(0, Number(head))
    : new Uint8Array([...ring.subarray(at), ...ring.subarray(0, at)]);
  const lines = new TextDecoder("latin1").decode(bytes).split("\n");
  if (lines.at(-1) === "") lines.pop();
  return whole ? lines : lines.slice(1);
}
