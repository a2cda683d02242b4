// `compare`: old and new code of a function on the same machine state, for the same domain. The
// payload is uploaded; the function is called without it and with it, and the machine is put back
// in between, so that whatever differs is the payload's doing.

import * as abi from "./abi.js";
import type { Argument, Target } from "./call.js";
import { LivepatchControl } from "./livepatch.js";
import type { Machine } from "./machine.js";
import { Checkpoint } from "./verify/checkpoint.js";
import { changes, readImage } from "./verify/image_memory.js";
import { functionsAt, readPayloadFile } from "./verify/payload_file.js";
import { findLivepatch } from "./verify/records.js";
import { hex } from "./verify/row.js";
import { act } from "./verify/today.js";
import { XenControl } from "./xc.js";

export interface CompareOptions {
  /** Calls, 1 by default. The first has the given arguments, the others generated ones. */
  readonly samples?: number;
  /** Of the generated arguments. */
  readonly seed?: bigint;
  /** Instructions of one call. */
  readonly budget?: number;
  /** On whose behalf the function is called, 0 by default. */
  readonly domain?: number;
}

/** A word of memory that a call has changed. */
interface Written {
  readonly va: string;
  readonly symbol: string;
  readonly value: string;
}

/** What a call did. */
export interface Behaviour {
  readonly stop: string;
  readonly rax: string;
  /** Where it faulted, and how. */
  readonly fault?: string;
  readonly instructions: number;
  /** Functions entered, in order. */
  readonly calls: readonly string[];
  /** Words of the hypervisor that are different afterwards. */
  readonly memory: readonly Written[];
  /** Words of the domain's memory that are different afterwards. */
  readonly guest: readonly Omit<Written, "symbol">[];
}

export interface Difference {
  readonly args: readonly string[];
  /** In which respect: `result`, `memory`, `guest`, `calls`. */
  readonly differs: readonly string[];
  readonly old: Behaviour;
  readonly new: Behaviour;
}

export interface Comparison {
  readonly samples: number;
  readonly same: number;
  /** Functions and objects of the image that the payload changes. */
  readonly changes: readonly string[];
  /** The function that was called is one of them. */
  readonly touched: boolean;
  readonly differences: readonly Difference[];
}

const NAME = "compare";
const BUDGET = 200_000;
const GENERATED = 4;
const ENTRY = 16;
const WORDS_MAX = 64;
/** Where the arguments that are buffers lie, and where generated pointers point: in the middle of
 *  the domain's RAM, far from what hypercalls take. */
const GUEST_AREA = BigInt(abi.GUEST_RAM_START) + BigInt(abi.DOMU_RAM_BYTES / 2);
const GUEST_AREA_BYTES = 4096;
const PAGE = 4096n;
/** Bytes of the stack that look used, and what they hold. */
const STACK_DIRTY = 4096n;
const STALE = 0xaa;
/** struct cpu_info at the top of each stack of 32 KiB. */
const CPU_INFO = 264n;
const RSP = 4;
const MASK = (1n << 64n) - 1n;

/** SplitMix64: the same seed gives the same arguments everywhere. */
function* random(seed: bigint): Generator<bigint, never> {
  for (let state = seed & MASK; ; ) {
    state = (state + 0x9e3779b97f4a7c15n) & MASK;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    yield z ^ (z >> 31n);
  }
}

/** What is patched now, by name. */
function changedSymbols(machine: Machine): string[] {
  const names = machine.map().map(({ va }) => machine.symbols.at(va)?.symbol.name ?? hex(va));
  return [...new Set(names)];
}

const EDGES = [0n, 1n, 2n, 0x7fn, 0xffn, 0x7fffffffn, 0x80000000n, 0xffffffffn, 1n << 63n, MASK];

/** Mostly what code looks at: small numbers, the ends of ranges; sometimes anything, or memory. */
function argument(machine: Machine, numbers: Generator<bigint, never>): bigint {
  const kind = numbers.next().value % 8n;
  const value = numbers.next().value;
  if (kind < 3n) return value % 64n;
  if (kind < 5n) return EDGES[Number(value % BigInt(EDGES.length))] ?? 0n;
  if (kind < 6n) return value & 0xffffffffn;
  if (kind < 7n) return value;
  const word = (value % 512n) * 8n;
  if (value >> 63n === 1n) return GUEST_AREA + word;
  // A buffer nobody minds: the payload area's guard is no memory, the image's data is.
  return machine.info().imageEnd - 4096n + word;
}

interface Range {
  readonly start: bigint;
  readonly end: bigint;
  /** Replacements, by address: the name of what they replace. */
  readonly replaced: ReadonlyMap<bigint, string>;
  /** The payload's functions, by address. */
  readonly functions: ReadonlyMap<bigint, string>;
}

const NOWHERE: Range = { start: 0n, end: 0n, replaced: new Map(), functions: new Map() };

/** Names of the functions entered; the jump of a trampoline is none. */
function callNames(machine: Machine, range: Range): string[] {
  const { start, end, replaced, functions } = range;
  const own = (va: bigint): boolean => va >= start && va < end;
  const pairs = machine.inside((core) => {
    const count = core.invoke("hv_trace", 0) >>> 0;
    const view = core.view(core.invoke("hv_trace_off") >>> 0, count * ENTRY);
    return Array.from({ length: count }, (_, i) => ({
      from: view.getBigUint64(i * ENTRY, true),
      to: view.getBigUint64(i * ENTRY + 8, true),
    }));
  });
  return pairs.flatMap(({ from, to }) => {
    const trampoline = own(to) && !own(from) && replaced.has(to);
    if (trampoline) return [];
    const name = replaced.get(to) ?? (own(to) ? "" : machine.symbols.nameOf(to));
    return [name || functions.get(to) || `payload+${hex(to - start)}`];
  });
}

class Comparer {
  private range = NOWHERE;

  constructor(
    private readonly machine: Machine,
    private readonly bytes: Uint8Array,
    private readonly domain: number,
  ) {}

  /** Fills the free part of the stack: what a function leaves uninitialised shows in what it hands
   *  out. */
  dirtyStack(): void {
    const { stackTop, registers } = this.machine.stacks()[0] ?? {};
    if (stackTop === undefined) return;
    const rsp = registers?.[RSP] ?? 0n;
    const inUse = rsp < stackTop && rsp > stackTop - STACK_DIRTY * 8n;
    const end = inUse ? rsp : stackTop - CPU_INFO;
    this.machine.write(end - STACK_DIRTY, new Uint8Array(Number(STACK_DIRTY)).fill(STALE));
  }

  /** Puts buffers into the domain's memory, and something to read where generated pointers point.
   *  @returns the arguments as numbers */
  place(args: readonly Argument[]): bigint[] {
    const { machine, domain } = this;
    const filling = random(BigInt(GUEST_AREA_BYTES));
    const words = BigUint64Array.from({ length: GUEST_AREA_BYTES / 8 }, () => filling.next().value);
    machine.write(GUEST_AREA, new Uint8Array(words.buffer), { domain });
    let at = GUEST_AREA + BigInt(GUEST_AREA_BYTES);
    return args.map((arg) => {
      if (!(arg instanceof Uint8Array)) return BigInt.asUintN(64, BigInt(arg));
      const va = at;
      machine.write(va, arg, { domain });
      at += BigInt(Math.ceil(arg.length / 16) * 16);
      return va;
    });
  }

  private get isRfc(): boolean {
    return readPayloadFile(this.bytes).format === "xsplice";
  }

  /** @throws XenError when the payload is refused */
  async upload(): Promise<void> {
    if (!this.isRfc) {
      new LivepatchControl(this.machine).upload(NAME, this.bytes);
      return;
    }
    const xc = new XenControl(this.machine);
    await xc.upload(NAME, this.bytes);
    await xc.checkAndWait(NAME);
  }

  /** @throws XenError when the payload is refused */
  async apply(): Promise<void> {
    if (this.isRfc) await new XenControl(this.machine).applyAndWait(NAME);
    else {
      const error = act(this.machine, NAME, abi.LIVEPATCH_ACTION_APPLY, "APPLIED");
      if (error) throw error;
    }
    this.range = this.extent();
  }

  private extent(): Range {
    const { machine } = this;
    const replaced = new Map<bigint, string>();
    const today = findLivepatch(machine, NAME);
    for (const { oldVa, newVa, name } of today?.funcs ?? []) {
      if (newVa !== 0n) replaced.set(newVa, machine.symbols.nameOf(oldVa) ?? name);
    }
    if (today) return this.named(today.start, today.end, replaced);
    for (const { kind, va, target } of machine.map()) {
      const name = machine.symbols.nameOf(va);
      if (kind === "trampoline" && target !== undefined && name) replaced.set(target, name);
    }
    const own = machine.payloads().find(({ id }) => id === NAME);
    const start = own?.baseVa ?? 0n;
    return this.named(start, start + BigInt(own?.pages ?? 0) * PAGE, replaced);
  }

  private named(start: bigint, end: bigint, replaced: Map<bigint, string>): Range {
    const { elf } = readPayloadFile(this.bytes);
    const functions = elf ? functionsAt(elf, start) : new Map<bigint, string>();
    // Sure of the layout only if it has a function where one was put.
    const known = [...replaced.keys()].some((va) => functions.has(va));
    return { start, end, replaced, functions: known ? functions : new Map() };
  }

  /** Calls the function on the state of the checkpoint, and leaves that state behind. */
  behaviour(
    checkpoint: Checkpoint,
    target: Target,
    args: readonly bigint[],
    budget: number,
  ): Behaviour {
    const { machine, domain } = this;
    machine.inside((core) => core.invoke("hv_trace", 1));
    const result = machine.call(target, args, { budget, domain });
    const calls = callNames(machine, this.range);
    const guest = this.writtenToGuest(checkpoint);
    const memory = this.written(checkpoint);
    const { fault } = result;
    return {
      stop: result.stop,
      rax: hex(result.rax),
      ...(fault ? { fault: `${fault.vector} at ${this.nameOf(fault.rip)}` } : {}),
      instructions: Number(result.instructions),
      calls,
      memory,
      guest,
    };
  }

  /** What differs in the domain's memory. */
  private writtenToGuest(checkpoint: Checkpoint): Behaviour["guest"] {
    const { machine, domain } = this;
    const off = machine.inside((core) => core.invoke("hv_domain_ram", domain) >>> 0);
    const size = domain === 0 ? abi.DOM0_RAM_BYTES : abi.DOMU_RAM_BYTES;
    const words = checkpoint.different(off, off + size).slice(0, WORDS_MAX);
    const start = BigInt(abi.GUEST_RAM_START);
    return words.map(({ at, now }) => ({ va: hex(start + BigInt(at - off)), value: hex(now) }));
  }

  private nameOf(va: bigint): string {
    const { start, end } = this.range;
    if (va >= start && va < end) return `payload+${hex(va - start)}`;
    return this.machine.symbols.nameOf(va) ?? hex(va);
  }

  /** What differs from the checkpoint, which is put back. */
  private written(checkpoint: Checkpoint): Behaviour["memory"] {
    const { machine } = this;
    if (checkpoint.holds()) {
      checkpoint.restore();
      return [];
    }
    const after = readImage(machine);
    checkpoint.restore();
    const words = changes(readImage(machine), after).slice(0, WORDS_MAX);
    return words.map(({ va, now }) => ({
      va: hex(va),
      symbol: machine.symbols.nameOf(va) ?? "",
      value: hex(now),
    }));
  }
}

/** Faults count as results where the two must agree on them: kind, not place. */
function resultOf({ stop, rax, fault }: Behaviour): string {
  return stop === "return" ? rax : `${stop} ${fault?.split(" ")[0] ?? ""}`;
}

function differs(old: Behaviour, now: Behaviour): string[] {
  const text = (value: unknown): string => JSON.stringify(value);
  return [
    ...(resultOf(old) === resultOf(now) ? [] : ["result"]),
    ...(text(old.memory) === text(now.memory) ? [] : ["memory"]),
    ...(text(old.guest) === text(now.guest) ? [] : ["guest"]),
    ...(text(old.calls) === text(now.calls) ? [] : ["calls"]),
  ];
}

/** The arguments of every sample. */
function samplesOf(
  machine: Machine,
  args: readonly bigint[],
  { samples = 1, seed = 0n }: CompareOptions,
): bigint[][] {
  const numbers = random(seed);
  const count = Math.max(args.length, GENERATED);
  return Array.from({ length: samples }, (_, i) =>
    i === 0 && (args.length > 0 || samples === 1)
      ? [...args]
      : Array.from({ length: count }, () => argument(machine, numbers)),
  );
}

/**
 * Compares a function with its replacement. The machine is afterwards as it was before.
 * @param args of the first call; a Uint8Array is a buffer in the domain's memory
 * @throws XenError when the payload or the function cannot be used
 */
export async function compare(
  machine: Machine,
  payload: Uint8Array,
  target: Target,
  args: readonly Argument[] = [],
  options: CompareOptions = {},
): Promise<Comparison> {
  const { budget = BUDGET, domain = 0 } = options;
  const va = machine.symbols.resolve(target);
  const begin = new Checkpoint(machine);
  const comparer = new Comparer(machine, payload, domain);
  try {
    const all = samplesOf(machine, comparer.place(args), options);
    await comparer.upload();
    comparer.dirtyStack();
    const unpatched = new Checkpoint(machine);
    const old = all.map((one) => comparer.behaviour(unpatched, va, one, budget));
    await comparer.apply();
    comparer.dirtyStack();
    const changes = changedSymbols(machine);
    const patched = new Checkpoint(machine);
    const now = all.map((one) => comparer.behaviour(patched, va, one, budget));
    const differences = all.flatMap((one, i): Difference[] => {
      const [before, after] = [old[i], now[i]];
      if (!before || !after) return [];
      const what = differs(before, after);
      if (what.length === 0) return [];
      return [{ args: one.map(hex), differs: what, old: before, new: after }];
    });
    const same = all.length - differences.length;
    const name = machine.symbols.at(va)?.symbol.name ?? "";
    return { samples: all.length, same, differences, changes, touched: changes.includes(name) };
  } finally {
    machine.inside((core) => core.invoke("hv_trace", 0));
    begin.restore();
  }
}
