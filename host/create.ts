// Making a machine: from an image, which is booted, or from a snapshot, which goes on.

import * as abi from "./abi.js";
import { type CpuProfile, cpuProfile, writeProfile } from "./cpu_profile.js";
import { XenError } from "./error.js";
import { encodeKeyStore, type Firmware } from "./firmware.js";
import {
  type FileSource,
  imageLabel,
  loadModule,
  MINI_XEN,
  readSource,
  type WasmSource,
} from "./image.js";
import type { StackWalk } from "./inspect.js";
import { Machine } from "./machine.js";
import { own } from "./own.js";
import type { Policy, PolicyMask } from "./policy.js";
import { WORKLOADS } from "./workloads.js";

/** How a machine is booted. */
export interface BootOptions {
  /** x86-64 ELF executable; the embedded mini-Xen by default. */
  readonly image?: FileSource;
  /** 1 to 256, 4 by default. */
  readonly cpus?: number;
  /** Of the scheduler's choices, 64 bits, 0 by default. */
  readonly seed?: bigint | number;
  /** Where payloads go; by default right behind the image. */
  readonly payloadBase?: bigint;
  /** Where CPUs meet for patching: before entering a guest, or at the tail of the rendezvous. */
  readonly quiesce?: "guest-entry" | "rendezvous";
  /** How a stack check looks at a stack: at every word (default), or along frame pointers, where a
   *  function has a frame. */
  readonly stackWalk?: StackWalk;
  /** What the guests do when the machine runs: `none` by default. */
  readonly workload?: string;
  /** By whose code guests and interrupts enter the hypervisor: `image`, its own, made for this
   *  machine; `machine`, the machine's. By default what the image's note says. */
  readonly entries?: "image" | "machine";
  /** Only signed payloads (R72). */
  readonly requireSignature?: boolean;
  /** Certificates or public keys (DER) of those who may sign. */
  readonly keys?: readonly Uint8Array[];
  /** The RFC's optional jump to a BUG in every dead body (R13). */
  readonly bugTrampoline?: boolean;
  /** Who may make which sysctl; by default domain 0 everything and nobody else anything. */
  readonly policy?: Policy;
  /** The CPU that the image's own alternatives are applied for: a preset's name, feature bits as
   *  `93,620,smap`, or a profile. */
  readonly cpuFeatures?: string | CpuProfile;
  /** What the machine is called; the name of the image's file by default. */
  readonly label?: string;
}

export interface MachineOptions extends BootOptions {
  /** Takes up this snapshot instead of booting; the options of booting are ignored then. */
  readonly snapshot?: Uint8Array;
  /** The core, if not the package's own. */
  readonly wasm?: WasmSource;
  /** Verifies signatures; the platform's cryptography by default. */
  readonly firmware?: Firmware;
  /** Called with what the hypervisor prints. */
  readonly onConsole?: (text: string) => void;
}

const QUIESCE = { "guest-entry": 0, rendezvous: 1 } as const;
const ENTRIES = {
  image: abi.OPTION_ENTRIES_IMAGE,
  machine: abi.OPTION_ENTRIES_MACHINE,
  note: 0,
} as const;
const STACK_WALK = { scan: 0, frames: abi.OPTION_STACK_FRAMES } as const;

function refuseParameter(name: string, value: number): never {
  const operands = { name, value: BigInt(Math.trunc(value) || 0) };
  throw XenError.of(abi.EINVAL, abi.REASON_BOOT_PARAMETER, operands);
}

/** BOOT_* of the options. */
function bootRecord(options: BootOptions): Uint8Array {
  const {
    cpus = 0,
    seed = 0n,
    payloadBase = 0n,
    quiesce = "guest-entry",
    stackWalk = "scan",
    workload = "none",
    entries = "note",
  } = options;
  if (!Number.isInteger(cpus) || cpus < 0 || cpus > abi.MACHINE_CPUS_MAX) {
    refuseParameter("cpus", cpus);
  }
  const walk = own(STACK_WALK, stackWalk);
  if (walk === undefined) refuseParameter(`stack walk ${stackWalk}`, 0);
  const work = own(WORKLOADS, workload);
  if (work === undefined) refuseParameter(`workload ${workload}`, 0);
  const record = new Uint8Array(abi.BOOT_PROFILE_END);
  const view = new DataView(record.buffer);
  view.setUint32(abi.BOOT_CPUS, cpus, true);
  view.setUint32(
    abi.BOOT_OPTIONS,
    (options.requireSignature ? abi.OPTION_REQUIRE_SIGNATURE : 0) |
      (options.bugTrampoline ? abi.OPTION_BUG_TRAMPOLINE : 0) |
      walk |
      ENTRIES[entries],
    true,
  );
  view.setBigUint64(abi.BOOT_SEED, BigInt.asUintN(64, BigInt(seed)), true);
  view.setBigUint64(abi.BOOT_PAYLOAD_BASE, BigInt.asUintN(64, payloadBase), true);
  view.setUint32(abi.BOOT_QUIESCE, QUIESCE[quiesce], true);
  view.setUint32(abi.BOOT_WORKLOAD, work, true);
  if (options.cpuFeatures !== undefined) writeProfile(view, cpuProfile(options.cpuFeatures));
  return record;
}

/**
 * A machine, booted or taken up from a snapshot.
 * @throws XenError `image`, `boot-parameter`, `policy`, `certificate`, `machine-file-…`
 */
export async function createMachine(options: MachineOptions = {}): Promise<Machine> {
  const module = await loadModule(options.wasm);
  if (options.snapshot) {
    const machine = new Machine(module, options, "");
    machine.restore(options.snapshot);
    return machine;
  }
  const source = options.image ?? MINI_XEN;
  const record = bootRecord(options);
  const masks = options.policy && (await masksOf(options.policy));
  const machine = new Machine(module, options, options.label ?? imageLabel(source));
  machine.boot(await readSource(source), record);
  if (options.keys?.length) machine.setKeys(encodeKeyStore(options.keys));
  if (masks) setPolicy(machine, masks);
  return machine;
}

/** What a policy means to the core. Its validation is loaded with the first policy. */
async function masksOf(policy: Policy): Promise<PolicyMask[]> {
  const { checkPolicy, policyMasks } = await import("./policy.js");
  return policyMasks(checkPolicy(policy));
}

/** A domain that the policy does not name may do nothing; one that is not there is passed over. */
function setPolicy(machine: Machine, policy: readonly PolicyMask[]): void {
  const masks = new Map(policy.map(({ domain, mask }) => [domain, mask]));
  for (let domain = 0; domain < abi.MACHINE_DOMAINS_MAX; domain++) {
    try {
      machine.setPolicy(domain, masks.get(domain) ?? 0);
    } catch (error) {
      const absent = error instanceof XenError && error.reason === "no-such-domain";
      if (!absent) throw error;
    }
  }
}
