// What the machine tells about itself, from the records of the border to objects: facts about the
// image, symbols, CPUs and their stacks.

import * as abi from "./abi.js";
import type { Fault } from "./call.js";
import type { Core } from "./core.js";
import { payloadSymbolAt } from "./map.js";
import {
  type ImageSymbol,
  type PayloadSymbol,
  type SymbolSource,
  type Symbols,
  symbolBind,
  symbolType,
} from "./symbols.js";
import { workloadName } from "./workloads.js";

/** At every word of a stack, or from frame to frame where that can be proved. */
export type StackWalk = "scan" | "frames";

/** Facts about a machine. */
export interface MachineInfo {
  readonly cpus: number;
  readonly symbols: number;
  readonly payloads: number;
  /** Changes with every payload that comes or goes. */
  readonly payloadVersion: number;
  /** Virtual time since boot. */
  readonly timeNs: bigint;
  /** How long CPUs stood still in the last rendezvous for a patch, in virtual time. */
  readonly stopNs: bigint;
  /** Instructions retired by all CPUs. */
  readonly retired: bigint;
  readonly seed: bigint;
  /** How a stack check looks at a stack. */
  readonly stackWalk: StackWalk;
  /** Page frames of 4096 bytes. */
  readonly framesUsed: number;
  readonly framesFree: number;
  /** Empty when the image has none. */
  readonly buildId: Uint8Array;
  /** `Xen 4.6-unstable-g9348394` …; empty when the image does not tell. */
  readonly version: string;
  /** Lowest mapped byte of the image, and one past the highest. */
  readonly imageStart: bigint;
  readonly imageEnd: bigint;
  readonly textStart: bigint;
  readonly textEnd: bigint;
  /** Area where payloads go. */
  readonly payloadStart: bigint;
  readonly payloadEnd: bigint;
  /** Where CPUs meet for patching. */
  readonly quiesce: "guest-entry" | "rendezvous";
  /** What its guests do. */
  readonly workload: string;
  /** By whose code guests and interrupts enter: the image's, or the machine's own. */
  readonly entries: "image" | "machine";
  /** The machine's own entries, both 0 when it has none. */
  readonly entryStart: bigint;
  readonly entryEnd: bigint;
  /** Guests that were crashed by faults of their own. */
  readonly lostGuests: number;
}

/** What a CPU is doing. */
export type CpuState = "offline" | "idle" | "hypervisor" | "guest";

/** A CPU. */
export interface CpuInfo {
  readonly cpu: number;
  readonly state: CpuState;
  /** Domain whose work it does, -1 for none. */
  readonly domain: number;
  readonly rip: bigint;
  readonly rflags: bigint;
  /** rax rcx rdx rbx rsp rbp rsi rdi r8 … r15. */
  readonly registers: readonly bigint[];
  readonly retired: bigint;
  /** One past the highest byte of its hypervisor stack. */
  readonly stackTop: bigint;
  /** The hypervisor faulted here, and the CPU has stopped. */
  readonly fault?: Fault;
  /** Its guest was crashed, by a fault of its own; the CPU goes on without it. */
  readonly guestCrash?: Fault & { readonly domain: number };
}

/** A return address, or what may be one. */
export interface Frame {
  readonly va: bigint;
  /** `name+0x10`; undefined when no symbol is near. */
  readonly symbol: string | undefined;
  /** Where on the stack it lies. */
  readonly at: bigint;
  /** `maybe`: a word that points into code, and may as well be left over from earlier. */
  readonly kind: FrameKind;
}

export type FrameKind = "return" | "interrupted" | "maybe";

/** A CPU with the frames of its stack, innermost first: frame 1 is what rip returns to. */
export interface CpuStack extends CpuInfo {
  /** Symbol of rip, `name+0x10`; undefined when none is near. */
  readonly symbol: string | undefined;
  readonly frames: readonly Frame[];
}

const FRAME_KINDS: Readonly<Record<number, FrameKind>> = {
  [abi.FRAME_RETURN]: "return",
  [abi.FRAME_RIP]: "interrupted",
  [abi.FRAME_MAYBE]: "maybe",
};

const STATES: Readonly<Record<number, CpuState>> = {
  [abi.CPU_STATE_OFFLINE]: "offline",
  [abi.CPU_STATE_IDLE]: "idle",
  [abi.CPU_STATE_HYPERVISOR]: "hypervisor",
  [abi.CPU_STATE_GUEST]: "guest",
};

function text(core: Core, off: number, length: number): string {
  return new TextDecoder().decode(core.bytes(off, length).slice());
}

/** Reads INFO_*. */
export function readInfo(core: Core): MachineInfo {
  core.invoke("hv_info");
  const record = core.record();
  const number = (offset: number): number => record.getUint32(offset, true);
  const wide = (offset: number): bigint => record.getBigUint64(offset, true);
  return {
    cpus: number(abi.INFO_CPUS),
    symbols: number(abi.INFO_SYMBOLS),
    payloads: number(abi.INFO_PAYLOADS),
    payloadVersion: number(abi.INFO_PAYLOAD_VERSION),
    timeNs: wide(abi.INFO_TIME_NS),
    stopNs: wide(abi.INFO_STOP_NS),
    retired: wide(abi.INFO_RETIRED),
    seed: wide(abi.INFO_SEED),
    stackWalk: (number(abi.INFO_OPTIONS) & abi.OPTION_STACK_FRAMES) === 0 ? "scan" : "frames",
    framesUsed: number(abi.INFO_FRAMES_USED),
    framesFree: number(abi.INFO_FRAMES_FREE),
    buildId: core.bytes(number(abi.INFO_BUILD_ID_OFF), number(abi.INFO_BUILD_ID_LEN)).slice(),
    version: text(core, number(abi.INFO_VERSION_OFF), number(abi.INFO_VERSION_LEN)),
    imageStart: wide(abi.INFO_IMAGE_LO),
    imageEnd: wide(abi.INFO_IMAGE_HI),
    textStart: wide(abi.INFO_TEXT_LO),
    textEnd: wide(abi.INFO_TEXT_HI),
    payloadStart: wide(abi.INFO_PAYLOAD_BASE),
    payloadEnd: wide(abi.INFO_PAYLOAD_END),
    quiesce: number(abi.INFO_QUIESCE) === abi.QUIESCE_RENDEZVOUS ? "rendezvous" : "guest-entry",
    workload: workloadName(number(abi.INFO_WORKLOAD)),
    entries: number(abi.INFO_ENTRIES) === abi.ENTRIES_MACHINE ? "machine" : "image",
    entryStart: wide(abi.INFO_ENTRY_LO),
    entryEnd: wide(abi.INFO_ENTRY_HI),
    lostGuests: number(abi.INFO_LOST_GUESTS),
  };
}

/** The symbol table of the image, read from the core on demand. */
export function symbolSource(core: Core): SymbolSource {
  return {
    count: () => core.invoke("hv_symbol_count") >>> 0,
    at: (va) => core.invoke("hv_symbol_at", va),
    info: (index) => readSymbol(core, index),
    payloadSymbol: (va) => payloadSymbolAt(core, va) ?? entrySymbolAt(core, va),
    lookup(name) {
      const bytes = new TextEncoder().encode(name);
      if (bytes.length === 0 || bytes.length > abi.IO_WINDOW_SIZE) return { count: 0, indices: [] };
      core.window().set(bytes);
      const count = Math.max(core.invoke("hv_symbol_lookup", bytes.length), 0);
      const record = core.record();
      const kept = Math.min(count, abi.SYMBOL_MATCHES_MAX);
      const indices = Array.from({ length: kept }, (_, i) => record.getUint32(4 * i, true));
      return { count, indices };
    },
  };
}

/** A piece of the machine's own entries. */
function entrySymbolAt(core: Core, va: bigint): PayloadSymbol | undefined {
  if (core.invoke("hv_entry_symbol", va) < 0) return undefined;
  const record = core.record();
  const length = record.getUint32(abi.ENTRY_SYMBOL_LENGTH, true);
  const at = record.byteOffset + abi.ENTRY_SYMBOL_NAME;
  const offset = BigInt(record.getUint32(abi.ENTRY_SYMBOL_OFFSET, true));
  return { owner: "machine", name: text(core, at, length), offset };
}

function readSymbol(core: Core, index: number): ImageSymbol {
  if (core.invoke("hv_symbol_info", index) < 0) throw new RangeError(`no symbol ${index}`);
  const record = core.record();
  const number = (offset: number): number => record.getUint32(offset, true);
  const fileLength = number(abi.SYMBOL_FILE_LEN);
  return {
    va: record.getBigUint64(abi.SYMBOL_VA, true),
    size: record.getBigUint64(abi.SYMBOL_SIZE, true),
    room: record.getBigUint64(abi.SYMBOL_ROOM, true),
    type: symbolType(number(abi.SYMBOL_TYPE)),
    bind: symbolBind(number(abi.SYMBOL_BIND)),
    name: text(core, number(abi.SYMBOL_NAME_OFF), number(abi.SYMBOL_NAME_LEN)),
    file: fileLength === 0 ? undefined : text(core, number(abi.SYMBOL_FILE_OFF), fileLength),
  };
}

function readFaults(record: DataView): Pick<CpuInfo, "fault" | "guestCrash"> {
  const number = (offset: number): number => record.getUint32(offset, true);
  const fault = (vector: number, error: number, rip: number, va: number): Fault => ({
    vector: abi.vectorName(number(vector)),
    error: number(error),
    rip: record.getBigUint64(rip, true),
    va: record.getBigUint64(va, true),
  });
  const { CPU_INFO_VECTOR, CPU_INFO_ERROR, CPU_INFO_RIP, CPU_INFO_FAULT_VA } = abi;
  const { CPU_INFO_LOST_VECTOR, CPU_INFO_LOST_ERROR, CPU_INFO_LOST_RIP, CPU_INFO_LOST_VA } = abi;
  const crashed = number(abi.CPU_INFO_CRASHED) !== 0;
  const lost = number(abi.CPU_INFO_LOST) !== 0;
  const domain = record.getInt32(abi.CPU_INFO_LOST_DOMAIN, true);
  return {
    ...(crashed && {
      fault: fault(CPU_INFO_VECTOR, CPU_INFO_ERROR, CPU_INFO_RIP, CPU_INFO_FAULT_VA),
    }),
    ...(lost && {
      guestCrash: {
        domain,
        ...fault(CPU_INFO_LOST_VECTOR, CPU_INFO_LOST_ERROR, CPU_INFO_LOST_RIP, CPU_INFO_LOST_VA),
      },
    }),
  };
}

/** Reads CPU_INFO_* of one CPU; undefined when there is no such CPU. */
export function readCpu(core: Core, cpu: number): CpuInfo | undefined {
  if (core.invoke("hv_cpu_get", cpu) < 0) return undefined;
  const record = core.record();
  const wide = (offset: number): bigint => record.getBigUint64(offset, true);
  return {
    ...readFaults(record),
    cpu,
    state: STATES[record.getUint32(abi.CPU_INFO_STATE, true)] ?? "offline",
    domain: record.getInt32(abi.CPU_INFO_DOMAIN, true),
    rip: wide(abi.CPU_INFO_RIP),
    rflags: wide(abi.CPU_INFO_RFLAGS),
    registers: Array.from({ length: 16 }, (_, i) => wide(abi.CPU_INFO_REGS + 8 * i)),
    retired: wide(abi.CPU_INFO_RETIRED),
    stackTop: wide(abi.CPU_INFO_STACK_TOP),
  };
}

/** The frames of a CPU's stack, as the core finds them (assembly/hv/stack_frames.ts). */
function readFrames(core: Core, cpu: CpuInfo, walk: StackWalk, symbols: Symbols): Frame[] {
  const count = core.invoke("hv_frames", cpu.cpu, walk === "frames" ? 1 : 0);
  const record = core.record();
  const found = Array.from({ length: Math.max(count, 0) }, (_, i) => {
    const from = i * abi.FRAME_RECORD_SIZE;
    const va = record.getBigUint64(from + abi.FRAME_VA, true);
    const below = BigInt(record.getUint32(from + abi.FRAME_BELOW, true));
    const kind = FRAME_KINDS[record.getUint32(from + abi.FRAME_KIND, true)] ?? "maybe";
    return { va, at: cpu.stackTop - below, kind };
  });
  return found.map((frame) => ({ ...frame, symbol: symbols.nameOf(frame.va) }));
}

/** Every CPU with its stack. */
export function readStacks(core: Core, symbols: Symbols, walk?: StackWalk): CpuStack[] {
  const { stackWalk, cpus } = readInfo(core);
  const stacks: CpuStack[] = [];
  for (let cpu = 0; cpu < cpus; cpu++) {
    const info = readCpu(core, cpu);
    if (!info) continue;
    const frames = readFrames(core, info, walk ?? stackWalk, symbols);
    stacks.push({ ...info, symbol: symbols.nameOf(info.rip), frames });
  }
  return stacks;
}

/** A piece of the image's executable memory. */
export interface TextRange {
  readonly start: bigint;
  /** One past its last byte. */
  readonly end: bigint;
}

const PAGE = 4096n;

/** Where the image's code is mapped, in pieces of whole pages, ascending. */
export function readTextRanges(core: Core): TextRange[] {
  const { textStart, textEnd } = readInfo(core);
  const ranges: { start: bigint; end: bigint }[] = [];
  for (let va = textStart - (textStart % PAGE); va < textEnd; va += PAGE) {
    if (core.invoke("hv_read", -1, va, 1) < 0) continue;
    const last = ranges.at(-1);
    if (last?.end === va) last.end += PAGE;
    else ranges.push({ start: va, end: va + PAGE });
  }
  return ranges;
}
