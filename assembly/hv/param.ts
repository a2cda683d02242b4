// Every limit of the machine, in one place. Loops are bounded by these and by nothing else.

export const NR_CPUS: u32 = 256;
export const NR_DOMAINS: u32 = 16;
export const NR_PAYLOADS: u32 = 512;
export const PAGE_SIZE: u32 = 4096;
export const PAGE_SHIFT: u32 = 12;

/** Xen's STACK_SIZE: 8 pages, aligned to its size, so that code finds its top by `rsp | 0x7fff`. */
export const STACK_SIZE: u32 = 0x8000;

export const CONSOLE_RING_SIZE: u32 = 0x10000;
/** Refusals kept for uploads that never became a payload (A14). */
export const NR_REFUSALS: u32 = 16;
export const NAME_MAX: u32 = 128;
export const KEYSTORE_SIZE: u32 = 0x20000;
/** Window for records and strings that cross the border. */
export const IO_SIZE: u32 = 0x10000;

/** Pending tasklets: each payload has one at most. */
export const NR_TASKLETS: u32 = NR_PAYLOADS;
/** CPUs when boot does not say. */
export const DEFAULT_CPUS: u32 = 4;
/** Pages of a hypervisor image: 64 MiB. */
export const IMAGE_PAGES_MAX: u32 = 0x4000;
/** Symbols of an image, and bytes of its string table. */
export const SYMBOLS_MAX: u32 = 0x80000;
export const STRINGS_MAX: u32 = 0x1000000;
/** Regions (allocated sections and gaps) of an image. */
export const REGIONS_MAX: u32 = 0x4000;

/** RAM of the domains: dom0 must hold the largest payload (K37) beside its own structures. */
export const DOM0_RAM: u32 = 0x2400000;
export const DOMU_RAM: u32 = 0x100000;
