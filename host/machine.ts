// A machine: a hypervisor image in RAM, CPUs that execute it, domains that call it. Everything
// that happens in it is done by the core; this class carries bytes across the border and words the
// answers. Addresses are 64-bit `bigint`s. What the core refuses is thrown as a XenError.

import * as abi from "./abi.js";
import { type Begun, beginHypercall } from "./begun.js";
import {
  type Argument,
  type CallOptions,
  type CallResult,
  checkCount,
  cpuNumber,
  domainNumber,
  type HypercallOptions,
  type RunOptions,
  type RunResult,
  readResult,
  readRun,
  stopped,
  type Target,
} from "./call.js";
import { Core, ringLines } from "./core.js";
import { FirmwareDesk } from "./desk.js";
import { disassemble, type Instruction } from "./disasm.js";
import { XenError } from "./error.js";
import { type Firmware, platformFirmware } from "./firmware.js";
import { type Allocate, GuestMemories } from "./guest.js";
import { hypercallNumber } from "./hypercalls.js";
import {
  type CpuStack,
  type MachineInfo,
  readInfo,
  readStacks,
  readTextRanges,
  type StackWalk,
  symbolSource,
  type TextRange,
} from "./inspect.js";
import { livepatchRefusal } from "./livepatch_map.js";
import { type Patched, type PayloadInfo, readMap, readPayloads } from "./map.js";
import { type Access, readCString, readMemory, writeMemory } from "./memory.js";
import { decodeRefusal, type Refusal } from "./refusal.js";
import { Schedules } from "./schedules.js";
import { decodeSnapshot, encodeSnapshot, type Snapshot } from "./snapshot.js";
import { Symbols } from "./symbols.js";
import { encodeId } from "./sysctl.js";
import { takeUp } from "./take_up.js";
import type { Hypervisor } from "./xc.js";

/** What a machine needs from its surroundings. */
export interface Surroundings {
  readonly firmware?: Firmware;
  /** Called with what the hypervisor prints, when the call that printed it has ended. */
  readonly onConsole?: (text: string) => void;
}

const BUDGET = 100_000_000n;

/** CPU -1: any that is idle. Domain -1: the hypervisor. */
const ANY = -1;

export class Machine implements Hypervisor {
  private core: Core;
  private table: Symbols;
  private readonly desk: FirmwareDesk;
  private readonly guests = new GuestMemories(this);
  private printed: number[] = [];
  /** Of the last hypercall. */
  private refusal: Refusal | undefined;

  /** Use `createMachine`. @param label what the machine is called: the name of its image */
  constructor(
    private readonly module: WebAssembly.Module,
    private readonly surroundings: Surroundings,
    public label: string,
  ) {
    this.desk = new FirmwareDesk(surroundings.firmware ?? platformFirmware());
    this.core = this.instantiate();
    this.table = new Symbols(symbolSource(this.core));
  }

  private instantiate(): Core {
    const { onConsole } = this.surroundings;
    const core: Core = new Core(this.module, {
      console: (byte) => {
        if (onConsole) this.printed.push(byte);
      },
      firmware: (requestOff) => this.desk.ask(core, requestOff, () => this.core === core),
    });
    return core;
  }

  /** Everything that can run image code goes through here. */
  private enter<T>(work: () => T): T {
    try {
      return work();
    } finally {
      if (this.printed.length > 0) {
        const text = this.printed.splice(0).map((byte) => String.fromCharCode(byte));
        this.surroundings.onConsole?.(text.join(""));
      }
    }
  }

  private demand(rc: number): number {
    if (rc >= 0) return rc;
    const refusal = this.refusalAt(this.core.invoke("hv_refusal") >>> 0);
    throw refusal?.errno === -rc ? this.errorOf(refusal) : XenError.of(-rc, abi.REASON_NONE);
  }

  /**
   * Boots an image; used by `createMachine`.
   * @param record BOOT_*
   * @throws XenError `image` with an `elf-*` reason, `boot-parameter`
   */
  boot(image: Uint8Array, record: Uint8Array): void {
    const rc = this.staged(image, (off) => {
      this.core.window().set(record);
      return this.enter(() => this.core.invoke("hv_boot", off, image.length));
    });
    const value = BigInt(image.length);
    if (rc === undefined) throw XenError.of(abi.ENOMEM, abi.REASON_NO_MEMORY, { value });
    this.demand(rc);
  }

  /** Runs `work` with bytes in staging; undefined when they do not fit. */
  private staged(bytes: Uint8Array, work: (off: number) => number): number | undefined {
    const off = this.core.invoke("hv_stage", bytes.length) >>> 0;
    if (off === 0) return undefined;
    this.core.bytes(off, bytes.length).set(bytes);
    const rc = work(off);
    this.core.invoke("hv_unstage");
    return rc;
  }

  /** Sets who may make which sysctl: bit n of `mask` allows sub-operation n. */
  setPolicy(domain: number, mask: number): void {
    this.demand(this.core.invoke("hv_policy", domain, mask));
  }

  /** Gives the machine its certificates (see `encodeKeyStore`). */
  setKeys(store: Uint8Array): void {
    const rc = this.staged(store, () => this.core.invoke("hv_keystore", store.length)) ?? -1;
    if (rc < 0) throw XenError.of(abi.ENOSPC, abi.REASON_CERTIFICATE, { name: "too many of them" });
  }

  /**
   * Runs a function of the image on a CPU, on a fresh stack.
   * @param args up to 6, for rdi rsi rdx rcx r8 r9
   */
  call(target: Target, args: readonly Argument[] = [], options: CallOptions = {}): CallResult {
    const va = this.table.resolve(target);
    const { cpu = 0, budget = BUDGET, domain = ANY } = options;
    return this.withArguments(Math.max(domain, 0), args, (count) =>
      this.core.invoke("hv_call", cpuNumber(cpu), va, count, BigInt(budget), domain),
    );
  }

  /**
   * A hypercall of a domain, through the image's own hypercall table.
   * @param nr its number, or its name: 17, `xen_version`
   * @param args up to 6; a Uint8Array is a buffer in the domain's memory, in and out
   */
  hypercall(
    nr: bigint | number | string,
    args: readonly Argument[] = [],
    options: HypercallOptions = {},
  ): CallResult {
    const { budget = BUDGET } = options;
    const domain = domainNumber(options.domain ?? 0);
    const cpu = options.cpu === undefined ? ANY : cpuNumber(options.cpu);
    const number = typeof nr === "string" ? hypercallNumber(nr) : nr;
    return this.withArguments(domain, args, (count) =>
      this.core.invoke("hv_hypercall", domain, cpu, BigInt(number), count, BigInt(budget)),
    );
  }

  /** Places the arguments, runs `invoke`, reads the result and the buffers back. */
  private withArguments(
    domain: number,
    args: readonly Argument[],
    invoke: (count: number) => number,
  ): CallResult {
    checkCount(args);
    return this.withBuffers((allocate) => {
      const buffers = args.map((arg) => (arg instanceof Uint8Array ? allocate(arg) : undefined));
      const record = this.core.record();
      args.forEach((arg, i) => {
        const value = arg instanceof Uint8Array ? (buffers[i]?.va ?? 0n) : BigInt(arg);
        record.setBigUint64(8 * i, BigInt.asUintN(64, value), true);
      });
      this.demand(this.enter(() => invoke(args.length)));
      const result = readResult(this.core.record());
      // Reading the buffers back is an operation of its own, and forgets why this one was refused.
      this.refusal = this.refusalAt(this.core.invoke("hv_refusal") >>> 0);
      args.forEach((arg, i) => {
        if (arg instanceof Uint8Array) arg.set(buffers[i]?.read() ?? []);
      });
      return result;
    }, domain);
  }

  /**
   * The sysctl hypercall, made by a domain with struct xen_sysctl in its own memory.
   * @param bytes 136 bytes; overwritten with what the hypervisor copied back
   * @returns 0, a count, or -errno
   */
  sysctl(bytes: Uint8Array, options: { readonly domain?: number } = {}): number {
    const result = this.hypercall(abi.HYPERVISOR_SYSCTL, [bytes], options);
    if (result.stop === "return") return Number(BigInt.asIntN(64, result.rax));
    throw stopped(result, (va) => this.table.nameOf(va));
  }

  /**
   * Begins a hypercall on a CPU and does not wait: it is executed when the machine runs,
   * among all others. Needs a workload. Undefined when the CPU is not free for it now.
   */
  begin(nr: number, args: readonly Argument[], options: HypercallOptions = {}): Begun | undefined {
    const request = { nr, args, options, demand: (rc: number) => this.demand(rc) };
    return beginHypercall(this.core, this.guests, request);
  }

  /** Runs `work` with an allocator of a domain's memory, which is zeroed and given back after. */
  withBuffers<T>(work: (allocate: Allocate) => T, domain = 0): T {
    return this.guests.of(domain).scope(work);
  }

  /** Lets the machine run; without limits until it is idle and nothing is pending. */
  run(options: RunOptions = {}): RunResult {
    const { instructions = 0n, ns = 0n } = options;
    if (instructions < 0 || ns < 0) throw new RangeError("a machine does not run backwards");
    const work = () => this.core.invoke("hv_run", BigInt(instructions), BigInt(ns));
    this.demand(this.enter(work));
    return readRun(this.core.record());
  }

  /**
   * Memory of the hypervisor, or of a domain.
   * @throws XenError `bad-address` when a byte of it is not mapped
   */
  read(
    target: Target,
    length: number,
    { domain = ANY }: { readonly domain?: number } = {},
  ): Uint8Array {
    const va = this.table.resolve(target);
    return readMemory(this.access(domain), va, length);
  }

  /**
   * Writes memory of the hypervisor, or of a domain, whatever its permissions are.
   * @throws XenError `bad-address` when a byte of it is not mapped; of more than 64 KiB, the
   *   whole pieces of that size before it are written
   */
  write(
    target: Target,
    bytes: Uint8Array,
    { domain = ANY }: { readonly domain?: number } = {},
  ): void {
    const va = this.table.resolve(target);
    writeMemory(this.access(domain), va, bytes);
  }

  private access(domain: number): Access {
    const id = domain === ANY ? ANY : domainNumber(domain);
    return { core: this.core, domain: id, demand: (rc) => this.demand(rc) };
  }

  /** Where the image's code is mapped, in pieces of whole pages, ascending. */
  textRanges(): TextRange[] {
    return readTextRanges(this.core);
  }

  /** The C string at an address, up to its NUL or `limit` bytes. */
  readString(target: Target, limit = 4096): string {
    const va = this.table.resolve(target);
    return readCString(this.access(ANY), va, limit);
  }

  /** Disassembles `count` instructions. The disassembler is loaded on first use. */
  async decode(target: Target, count = 1): Promise<Instruction[]> {
    return disassemble(this, this.table.resolve(target), count);
  }

  /** The image's symbols. */
  get symbols(): Symbols {
    return this.table;
  }

  info(): MachineInfo {
    return readInfo(this.core);
  }

  /** The payloads, in upload order: more than GET and LIST tell. */
  payloads(): PayloadInfo[] {
    return readPayloads(this.core);
  }

  /** What is patched now, by payloads of either format, in order of address. */
  map(): Patched[] {
    return readMap(this.core);
  }

  /** Every CPU: what it does, and the frames on its stack; by default found as its check does. */
  stacks(walk?: StackWalk): CpuStack[] {
    return readStacks(this.core, this.table, walk);
  }

  /** Takes a CPU away, or brings it back (R222). CPU 0 stays. @throws XenError `cpu-busy` */
  setOnline(cpu: number, online: boolean): void {
    const args = [cpuNumber(cpu), online ? 1 : 0] as const;
    this.demand(this.enter(() => this.core.invoke("hv_cpu_online", ...args)));
  }

  /** Requests an interrupt of a CPU, 2 for an NMI; false when the image serves none of this
   *  vector. */
  interrupt(cpu: number, vector: number): boolean {
    const rc = this.core.invoke("hv_interrupt", cpuNumber(cpu), vector);
    return rc === -abi.ENOENT ? false : this.demand(rc) === 0;
  }

  /** The lines in the hypervisor's console ring. */
  console(): string[] {
    const head = BigInt.asUintN(64, this.core.invoke("hv_console_head"));
    const off = this.core.invoke("hv_console_off") >>> 0;
    return ringLines(this.core.bytes(off, abi.CONSOLE_RING_BYTES), head);
  }

  /** Presses a key on the hypervisor's console; false when it has no handler. */
  key(char: string): boolean {
    return this.enter(() => this.core.invoke("hv_key", char.charCodeAt(0))) === 0;
  }

  lastRefusal(): Refusal | undefined {
    return this.refusal;
  }

  /** Why the last action on a payload, or upload under this id, failed; undefined if none did. */
  refusalOf(id: string): Refusal | undefined {
    const wire = encodeId(id);
    if (wire) {
      this.core.window().set(wire);
      const refusal = this.refusalAt(this.core.invoke("hv_refusal_of") >>> 0);
      if (refusal) return refusal;
    }
    return this.refusalAt(livepatchRefusal(this.core, id));
  }

  private refusalAt(off: number): Refusal | undefined {
    if (off === 0) return undefined;
    const refusal = decodeRefusal(this.core.bytes(off, abi.REFUSAL_RECORD_SIZE));
    return refusal.errno === 0 ? undefined : refusal;
  }

  errorOf(refusal: Refusal): XenError {
    return new XenError(refusal, { symbolize: (va) => this.table.nameOf(va) });
  }

  /** The machine as a file. The same machine gives the same bytes. */
  snapshot(): Uint8Array {
    const machine = this.core.memory().subarray(0, this.core.machineEnd);
    return encodeSnapshot(machine, this.label, this.core.invoke("hv_used_end") >>> 0);
  }

  /**
   * Puts a snapshot in place of this machine, whatever state it is in, even after a MachineBug.
   * @throws XenError `machine-file-…`; the machine is as before then
   */
  restore(file: Uint8Array): void {
    const snapshot: Snapshot = decodeSnapshot(file, this.core.machineEnd);
    // Fresh memory is all zero; clearing the old one would touch every page of it.
    const core = this.instantiate();
    takeUp(core, snapshot);
    this.core = core;
    this.table = new Symbols(symbolSource(core));
    this.guests.clear();
    this.label = snapshot.label;
  }

  /** A hash of what a refused operation must leave unchanged (requirements A14). */
  stateHash(): bigint {
    return BigInt.asUintN(64, this.core.invoke("hv_state_hash"));
  }

  /** Schedules chosen from outside. */
  schedules(): Schedules {
    return new Schedules(this.core);
  }

  settled(): Promise<void> {
    return this.desk.settled();
  }

  /** For parts of this library that need records which the class has no method for. */
  inside<T>(work: (core: Core) => T): T {
    return work(this.core);
  }
}
