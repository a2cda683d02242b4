// The CPU that the image believes it was booted on: feature words in Xen 4.17's numbering
// (spec/livepatch-today 5.1), the NOPs that it prefers (5.2), and the platform whose choices early
// boot would have made. Decides which of the image's alternatives are in place
// (hv/alternatives.ts), those of payloads, and what NOP-mode functions are filled with. The
// interpreter itself executes what it can whatever is said here.

import { BOOT_OPTIONS, EINVAL } from "../abi";
import {
  BOOT_CPU_PROFILE,
  BOOT_FEATURES,
  BOOT_NOP_STYLE,
  BOOT_PLATFORM,
  FEATURE_LM,
  FEATURE_SC_NO_LOCK_HARDEN,
  FEATURE_WORDS,
  NOPS_K8,
  NOPS_P6,
  PLATFORM_AMD_K8,
} from "../abi_today";
import { REASON_BOOT_PARAMETER } from "../reasons";
import { known_symbol } from "./image";
import { HEADER_OFF } from "./layout";
import { poke } from "./mem";
import { refusal, refuse } from "./refusal";
import { find_symbol, symbol } from "./symbols";
import { ascii } from "./text";

/** In the header's page, behind the version string: words, NOP style, platform. */
const PROFILE_OFF: usize = HEADER_OFF + 2304;
const STYLE_OFF: usize = PROFILE_OFF + 4 * <usize>FEATURE_WORDS;
const PLATFORM_OFF: usize = STYLE_OFF + 4;
export const PROFILE_END: usize = PLATFORM_OFF + 4;

/** struct cpuinfo_x86: where its capability words begin. */
const CAPABILITIES: u64 = 12;
/** Words that the image keeps, the last for bugs and mitigations. */
const IMAGE_WORDS: u32 = 21;

/** 0, or -EINVAL boot-parameter: nothing has been changed yet. */
export function check_features(boot: usize): i32 {
  if ((load<u32>(boot + BOOT_OPTIONS) & BOOT_CPU_PROFILE) == 0) return 0;
  const style = load<u32>(boot + BOOT_NOP_STYLE);
  const platform = load<u32>(boot + BOOT_PLATFORM);
  if (style <= <u32>NOPS_K8 && platform <= <u32>PLATFORM_AMD_K8) return 0;
  const rc = refuse(EINVAL, REASON_BOOT_PARAMETER);
  refusal().index = style > <u32>NOPS_K8 ? BOOT_NOP_STYLE : BOOT_PLATFORM;
  refusal().value = style > <u32>NOPS_K8 ? style : platform;
  return rc;
}


@inline
function set_bit(bit: u32): void {
  const at = PROFILE_OFF + ((<usize>(bit >> 5)) << 2);
  store<u32>(at, load<u32>(at) | ((<u32>1) << (bit & 31)));
}

/** Takes the profile from BOOT_*, or the default: what every boot with 4.17's defaults has. */
export function take_features(boot: usize): void {
  memory.fill(PROFILE_OFF, 0, PROFILE_END - PROFILE_OFF);
  if ((load<u32>(boot + BOOT_OPTIONS) & BOOT_CPU_PROFILE) != 0) {
    memory.copy(PROFILE_OFF, boot + BOOT_FEATURES, 4 * <usize>FEATURE_WORDS);
    store<u32>(STYLE_OFF, load<u32>(boot + BOOT_NOP_STYLE));
    store<u32>(PLATFORM_OFF, load<u32>(boot + BOOT_PLATFORM));
  } else {
    set_bit(FEATURE_SC_NO_LOCK_HARDEN);
    store<u32>(STYLE_OFF, NOPS_P6);
  }
  set_bit(FEATURE_LM);
}

export function has_feature(bit: u32): bool {
  if (bit >= 32 * FEATURE_WORDS) return false;
  return ((load<u32>(PROFILE_OFF + ((<usize>(bit >> 5)) << 2)) >> (bit & 31)) & 1) != 0;
}


@inline
export function nop_style(): u32 {
  return load<u32>(STYLE_OFF);
}


@inline
export function platform(): u32 {
  return load<u32>(PLATFORM_OFF);
}

/** Tells the image: its code asks `boot_cpu_data` for what the alternatives do not decide. */
export function tell_features(): void {
  const index = find_symbol(ascii("boot_cpu_data"), 13);
  if (index < 0 || symbol(index).size < CAPABILITIES + 4 * <u64>IMAGE_WORDS) return;
  poke(known_symbol("boot_cpu_data") + CAPABILITIES, PROFILE_OFF, 4 * <u64>IMAGE_WORDS);
}

/** The recommended NOPs of 1 to 9 bytes: P6 (SDM vol. 2, NOP), then K8 (66 prefixes), rows of 9. */
const NOPS = memory.data<u8>([
  0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0x66, 0x90, 0, 0, 0, 0, 0, 0, 0, 0x0f, 0x1f, 0x00, 0, 0, 0, 0, 0, 0,
  0x0f, 0x1f, 0x40, 0x00, 0, 0, 0, 0, 0, 0x0f, 0x1f, 0x44, 0x00, 0x00, 0, 0, 0, 0, 0x66, 0x0f, 0x1f,
  0x44, 0x00, 0x00, 0, 0, 0, 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00, 0, 0, 0x0f, 0x1f, 0x84, 0x00,
  0x00, 0x00, 0x00, 0x00, 0, 0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00, 0x90, 0, 0, 0, 0,
  0, 0, 0, 0, 0x66, 0x90, 0, 0, 0, 0, 0, 0, 0, 0x66, 0x66, 0x90, 0, 0, 0, 0, 0, 0, 0x66, 0x66, 0x66,
  0x90, 0, 0, 0, 0, 0, 0x66, 0x66, 0x90, 0x66, 0x90, 0, 0, 0, 0, 0x66, 0x66, 0x90, 0x66, 0x66, 0x90,
  0, 0, 0, 0x66, 0x66, 0x66, 0x90, 0x66, 0x66, 0x90, 0, 0, 0x66, 0x66, 0x66, 0x90, 0x66, 0x66, 0x66,
  0x90, 0, 0x66, 0x66, 0x90, 0x66, 0x66, 0x90, 0x66, 0x66, 0x90,
]);
const ROW: usize = 9;

/** Fills `count` bytes with the NOPs that this CPU prefers: as many of 9 bytes as fit, then the
 *  rest. */
export function ideal_nops(off: usize, count: u32): void {
  const table = NOPS + (nop_style() == <u32>NOPS_K8 ? ROW * ROW : 0);
  while (count != 0) {
    const n = min<u32>(count, <u32>ROW);
    memory.copy(off, table + ROW * <usize>(n - 1), n);
    off += <usize>n;
    count -= n;
  }
}
