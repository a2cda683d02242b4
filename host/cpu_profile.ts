// The CPU that an image is booted on: which of its own alternatives are in place afterwards. Bits
// are numbered as Xen 4.17 numbers them: word * 32 + bit (see FEATURE_* and the table in
// DESIGN.md).

import * as abi from "./abi.js";
import { XenError } from "./error.js";
import { own } from "./own.js";

export interface CpuProfile {
  /** Feature words, up to 22. */
  readonly words: readonly number[];
  /** Which NOPs the CPU prefers: P6 by default. */
  readonly nops?: "p6" | "k8";
  /** Whose choices early boot makes (which tables of functions); none by default. */
  readonly platform?: "none" | "amd-k8";
}

/** A few features by name; any other by its number. */
const FEATURES: Readonly<Record<string, number>> = {
  bmi1: 163,
  clflushopt: 183,
  xsaveopt: 128,
  smap: 619,
  "no-lock-harden": 620,
  "no-branch-harden": 623,
  "msr-pv": 624,
  "msr-hvm": 625,
  "rsb-pv": 626,
  "rsb-hvm": 627,
  shstk: 634,
  ibt: 635,
  lm: abi.FEATURE_LM,
};

function withBits(bits: readonly number[]): number[] {
  const words = new Array<number>(abi.FEATURE_WORDS).fill(0);
  for (const bit of bits) words[bit >> 5] = ((words[bit >> 5] ?? 0) | (1 << (bit & 31))) >>> 0;
  return words;
}

const DEFAULT_BITS = [abi.FEATURE_LM, abi.FEATURE_SC_NO_LOCK_HARDEN];

/** Capability words of QEMU's `-cpu max,-smap,-smep` as Xen 4.17.7 sees them, with its defaults. */
const QEMU_K8: CpuProfile = {
  words: [
    0x1fcbf3fd, 0xf6d8320b, 0xec500800, 0x77, 0x5, 0x1884329, 0x20c, 0, 0, 0, 0, 0x4, 0, 0, 0, 0, 0,
    0, 0, 0xc1000, 0x50003,
  ],
  nops: "k8",
  platform: "amd-k8",
};

/** Names that stand for a whole CPU. */
export const CPU_PRESETS: Readonly<Record<string, CpuProfile>> = {
  default: { words: withBits(DEFAULT_BITS) },
  smap: { words: withBits([...DEFAULT_BITS, FEATURES.smap ?? 0]) },
  "qemu-k8": QEMU_K8,
};

function refuse(text: string): never {
  throw XenError.of(abi.EINVAL, abi.REASON_BOOT_PARAMETER, { name: `cpu features: ${text}` });
}

function featureBit(text: string): number {
  const bit = own(FEATURES, text) ?? (/^\d+$/.test(text) ? Number(text) : -1);
  if (bit < 0 || bit >= abi.FEATURE_LIMIT) refuse(text);
  return bit;
}

/**
 * A preset's name, or a list of features, each a name or a number.
 * @throws XenError `boot-parameter`
 */
export function cpuProfile(text: string | CpuProfile): CpuProfile {
  if (typeof text !== "string") {
    return text.words.length > abi.FEATURE_WORDS ? refuse(`${text.words.length} words`) : text;
  }
  const preset = own(CPU_PRESETS, text);
  if (preset) return preset;
  return { words: withBits([abi.FEATURE_LM, ...text.split(",").map((each) => featureBit(each))]) };
}

/** Puts a profile into the record of hv_boot. */
export function writeProfile(view: DataView, { words, nops, platform }: CpuProfile): void {
  const options = view.getUint32(abi.BOOT_OPTIONS, true);
  view.setUint32(abi.BOOT_OPTIONS, options | abi.BOOT_CPU_PROFILE, true);
  for (const [i, word] of words.entries()) {
    view.setUint32(abi.BOOT_FEATURES + 4 * i, word, true);
  }
  view.setUint32(abi.BOOT_NOP_STYLE, nops === "k8" ? abi.NOPS_K8 : abi.NOPS_P6, true);
  const choice = platform === "amd-k8" ? abi.PLATFORM_AMD_K8 : abi.PLATFORM_NONE;
  view.setUint32(abi.BOOT_PLATFORM, choice, true);
}
