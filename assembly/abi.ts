// Numbers that both compilers read: asc for the core, tsc for the host. Only plain integer
// constants, so that neither side keeps a copy. Sources: the RFC's public header (sysctl.h,
// xsplice.h), Xen's public errno list, and the machine's own border (ABI_VERSION and below).

/** Bumped with every incompatible change of exports, records or snapshot layout. */
export const ABI_VERSION = 2;

// --- errno (Xen's public/errno.h), returned negated -----------------------------------------
export const EPERM = 1;
export const ENOENT = 2;
export const EIO = 5;
export const E2BIG = 7;
export const ENOEXEC = 8;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const EINVAL = 22;
export const ENOSPC = 28;
export const ERANGE = 34;
export const ENOSYS = 38;
export const ENODATA = 61;
export const EBADMSG = 74;
export const EOVERFLOW = 75;
export const EILSEQ = 84;
export const EOPNOTSUPP = 95;
export const ENOBUFS = 105;
export const ETIMEDOUT = 110;

// --- hypercalls -----------------------------------------------------------------------------
export const HYPERVISOR_MULTICALL = 13;
export const HYPERVISOR_XEN_VERSION = 17;
export const HYPERVISOR_SYSCTL = 35;
export const HYPERVISOR_DOMCTL = 36;
export const HYPERVISOR_DEEP = 51; // mini-Xen's own: calls itself as often as it is told

// --- sysctl envelope (R84, R89, A6) ---------------------------------------------------------
export const XEN_SYSCTL_INTERFACE_VERSION = 0x0000000c;
export const XEN_SYSCTL_XSPLICE_OP = 24;
export const SYSCTL_SIZE = 136;
export const SYSCTL_CMD = 0;
export const SYSCTL_VERSION = 4;
export const SYSCTL_U = 8;

export const XEN_SYSCTL_XSPLICE_UPLOAD = 0;
export const XEN_SYSCTL_XSPLICE_GET = 1;
export const XEN_SYSCTL_XSPLICE_LIST = 2;
export const XEN_SYSCTL_XSPLICE_ACTION = 3;
/** R91: the query of the hypervisor ID, in the style of the others (see `XSPLICE_INFO_*`). */
export const XEN_SYSCTL_XSPLICE_INFO = 4;
export const XEN_XSPLICE_ID_SIZE = 40;

export const XSPLICE_OP_SIZE = 64;
export const XSPLICE_OP_CMD = 0;
export const XSPLICE_OP_U = 8;
export const XSPLICE_UPLOAD_SIZE = 56;
export const XSPLICE_UPLOAD_ID = 0;
export const XSPLICE_UPLOAD_LEN = 40;
export const XSPLICE_UPLOAD_PAYLOAD = 48;
export const XSPLICE_SUMMARY_SIZE = 44;
export const XSPLICE_SUMMARY_ID = 0;
export const XSPLICE_SUMMARY_STATUS = 40;
export const XSPLICE_LIST_SIZE = 24;
export const XSPLICE_LIST_VERSION = 0;
export const XSPLICE_LIST_IDX = 4;
export const XSPLICE_LIST_NR = 8;
export const XSPLICE_LIST_SUMMARY = 16;
export const XSPLICE_ACTION_SIZE = 56;
export const XSPLICE_ACTION_ID = 0;
export const XSPLICE_ACTION_CMD = 40;
export const XSPLICE_ACTION_TIME = 48;
/** INFO: IN buffer handle and its size; OUT len = bytes of build-id (0 handle: only the size). */
export const XSPLICE_INFO_SIZE = 16;
export const XSPLICE_INFO_LEN = 0;
export const XSPLICE_INFO_BUFFER = 8;

export const XSPLICE_STATUS_LOADED = 0x01;
export const XSPLICE_STATUS_PROGRESS = 0x02;
export const XSPLICE_STATUS_CHECKED = 0x04;
export const XSPLICE_STATUS_APPLIED = 0x08;
export const XSPLICE_STATUS_REVERTED = 0x10;

export const XSPLICE_ACTION_CHECK = 1;
export const XSPLICE_ACTION_UNLOAD = 2;
export const XSPLICE_ACTION_REVERT = 3;
export const XSPLICE_ACTION_APPLY = 4;

/** R109, A14: largest LIST batch. */
export const XSPLICE_LIST_MAX = 64;
/** K37, A14: largest payload file, signature trailer included. */
export const XSPLICE_PAYLOAD_MAX = 33554432;

// --- payload structures (A2), natural x86-64 layout (K1) -------------------------------------
export const XSPLICE_SIZE = 72;
export const XSPLICE_CODE_SIZE = 72;
export const XSPLICE_RELOC_SIZE = 64;
export const XSPLICE_SECTION_SIZE = 40;
export const XSPLICE_PATCH_SIZE = 64;
export const XSPLICE_SYMBOL_SIZE = 32;
export const XSPLICE_HOWTO_SIZE = 32;
export const XSPLICE_NAME_MAX = 40;

export const XSPLICE_HOWTO_INLINE = 0x1;
export const XSPLICE_HOWTO_RELOC_PATCH = 0x2;
export const XSPLICE_HOWTO_FLAG_PC_REL = 0x1;
export const XSPLICE_HOWTO_FLAG_SIGN = 0x2;
export const XSPLICE_PATCH_INLINE_TEXT = 0x1;
export const XSPLICE_PATCH_INLINE_DATA = 0x2;
export const XSPLICE_PATCH_RELOC_TEXT = 0x3;
export const XSPLICE_SECTION_TEXT = 0x001;
export const XSPLICE_SECTION_RODATA = 0x002;
export const XSPLICE_SECTION_DATA = 0x004;
export const XSPLICE_SECTION_STRING = 0x008;
export const XSPLICE_SECTION_TEXT_INLINE = 0x200;
export const XSPLICE_SECTION_MATCH_EXACT = 0x400;
export const XSPLICE_SECTION_NO_STACKCHECK = 0x800;

// --- the border: why an instruction stream stopped -------------------------------------------
export const STOP_RETURN = 0; // the called function returned to RETURN_VA
export const STOP_FAULT = 1; // unhandled fault: see FaultInfo
export const STOP_BUDGET = 2; // instruction budget used up
export const STOP_HALT = 3; // hlt
export const STOP_GATE = 4; // vmcall (internal: the scheduler answers it)
export const STOP_SYSCALL = 5; // guest executed syscall (internal)
export const STOP_CONTEXT = 6; // iretq, sysretq: other ring, the context must be set (internal)
export const STOP_IPI = 7; // wrote the APIC's ICR: others have something to do (internal)
/** Faults and traps: vectors of the Intel SDM. */
export const VECTOR_DE = 0;
export const VECTOR_DB = 1;
export const VECTOR_NMI = 2;
export const VECTOR_BP = 3;
export const VECTOR_OF = 4;
export const VECTOR_UD = 6;
export const VECTOR_NM = 7;
export const VECTOR_DF = 8;
export const VECTOR_NP = 11;
export const VECTOR_SS = 12;
export const VECTOR_GP = 13;
export const VECTOR_PF = 14;
export const VECTOR_MF = 16;

/** Gate numbers: eax at `vmcall` in the image. */
export const GATE_SYSCTL = 1;
export const GATE_GUEST_ENTRY = 2;
export const GATE_RENDEZVOUS_TAIL = 3;

// Page permissions.
export const PERM_R = 1;
export const PERM_W = 2;
export const PERM_X = 4;

// --- the record of a refusal (hv/refusal.ts), read through hv_refusal() and hv_refusal_of() -----
export const REFUSAL_ERRNO = 0; // i32, positive
export const REFUSAL_REASON = 4;
export const REFUSAL_STEP = 8;
export const REFUSAL_PLACE = 12;
export const REFUSAL_INDEX = 16;
export const REFUSAL_INDEX2 = 20;
export const REFUSAL_CPU = 24;
export const REFUSAL_VA = 32;
export const REFUSAL_VA2 = 40;
export const REFUSAL_VALUE = 48;
export const REFUSAL_LIMIT = 56;
export const REFUSAL_ID = 64;
export const REFUSAL_OTHER = 104;
export const REFUSAL_NAME = 144; // NUL-terminated, up to REFUSAL_FOUND
export const REFUSAL_FOUND = 272;
export const REFUSAL_EXPECTED = 304;
export const REFUSAL_BYTES = 336; // u32: bytes of both
export const REFUSAL_CANDIDATE_COUNT = 344;
export const REFUSAL_CANDIDATES = 352; // u64 each
export const REFUSAL_RECORD_SIZE = 1024;

// --- firmware: what the import firmware(request_off) finds at request_off (R72-R79, A14) --------
// All offsets are linear and valid only during the call. It returns 0: the answer follows through
// hv_firmware_answer(request, verdict), verdict 0 or a REASON_SIG_*; until then UPLOAD is -EAGAIN.
export const FIRMWARE_REQUEST = 0; // u32, never 0
export const FIRMWARE_HASH = 4; // u32, HASH_ALGO_*
export const FIRMWARE_DATA_OFF = 8; // what is signed
export const FIRMWARE_DATA_LEN = 12;
export const FIRMWARE_SIG_OFF = 16;
export const FIRMWARE_SIG_LEN = 20;
export const FIRMWARE_KEY_ID_OFF = 24;
export const FIRMWARE_KEY_ID_LEN = 28;
export const FIRMWARE_SIGNER_OFF = 32;
export const FIRMWARE_SIGNER_LEN = 36;
/** The machine's keys: certificates one after the other, each {u32 length, DER bytes}. */
export const FIRMWARE_KEYS_OFF = 40;
export const FIRMWARE_KEYS_LEN = 44;
export const FIRMWARE_SIZE = 48;
export const HASH_ALGO_SHA256 = 4;
export const HASH_ALGO_SHA384 = 5;
export const HASH_ALGO_SHA512 = 6;

// --- the border: records that cross it in the I/O window (byte offsets) ------------------------
// hv_boot takes BOOT_*; cpus 0 and payload_base 0 mean the default.
export const BOOT_CPUS = 0;
export const BOOT_OPTIONS = 4;
export const BOOT_SEED = 8;
export const BOOT_PAYLOAD_BASE = 16;
export const BOOT_QUIESCE = 24;
export const BOOT_WORKLOAD = 28;
export const BOOT_SIZE = 32;
// Bits of BOOT_OPTIONS.
export const OPTION_REQUIRE_SIGNATURE = 1; // R72: only signed payloads
export const OPTION_BUG_TRAMPOLINE = 2; // R13, K23: a jump to a BUG in every dead body
export const OPTION_STACK_FRAMES = 4; // R181: stacks are looked at frame by frame
export const OPTION_ENTRIES_IMAGE = 8; // guests enter by the image's entries, note or no note
export const OPTION_ENTRIES_MACHINE = 16; // ... by the machine's own
/** hv_call, hv_hypercall leave RESULT_*. */
export const RESULT_STOP = 0;
export const RESULT_VECTOR = 4;
export const RESULT_ERROR = 8;
export const RESULT_CPU = 12;
export const RESULT_RAX = 16;
export const RESULT_FAULT_VA = 24;
export const RESULT_FAULT_RIP = 32;
export const RESULT_INSTRUCTIONS = 40;
export const RESULT_SIZE = 48;
/** hv_run leaves RUN_*: what was retired and how far virtual time went; stop: STOP_IDLE, … */
export const RUN_INSTRUCTIONS = 0;
export const RUN_TIME_NS = 8;
export const RUN_STOP = 16;
export const RUN_CPU = 20;
export const RUN_SIZE = 24;
export const STOP_IDLE = 16; // nothing to run and nothing pending
export const STOP_TIME = 17; // the time asked for has passed
/** hv_symbol_info leaves SYMBOL_*. */
export const SYMBOL_VA = 0;
export const SYMBOL_SIZE = 8;
export const SYMBOL_ROOM = 16;
export const SYMBOL_TYPE = 24;
export const SYMBOL_BIND = 28;
export const SYMBOL_NAME_OFF = 32;
export const SYMBOL_NAME_LEN = 36;
export const SYMBOL_FILE_OFF = 40;
export const SYMBOL_FILE_LEN = 44;
export const SYMBOL_REGION = 48;
export const SYMBOL_RECORD_SIZE = 56;
export const SYMBOL_MATCHES_MAX = 16;
/** hv_info leaves INFO_*. Offsets are linear memory. */
export const INFO_CPUS = 0;
export const INFO_SYMBOLS = 4;
export const INFO_PAYLOADS = 8;
export const INFO_OPTIONS = 12;
export const INFO_TIME_NS = 16;
export const INFO_RETIRED = 24;
export const INFO_SEED = 32;
export const INFO_FRAMES_USED = 40;
export const INFO_FRAMES_FREE = 44;
export const INFO_BUILD_ID_OFF = 48;
export const INFO_BUILD_ID_LEN = 52;
export const INFO_VERSION_OFF = 56;
export const INFO_VERSION_LEN = 60;
export const INFO_IMAGE_LO = 64;
export const INFO_IMAGE_HI = 72;
export const INFO_PAYLOAD_BASE = 80;
export const INFO_PAYLOAD_END = 88;
export const INFO_QUIESCE = 96;
export const INFO_WORKLOAD = 100;
export const INFO_PAYLOAD_VERSION = 104;
export const INFO_BOOTED = 108;
export const INFO_TEXT_LO = 112;
export const INFO_TEXT_HI = 120;
export const INFO_STOP_NS = 128; // how long CPUs stood still in the last rendezvous for a patch
export const INFO_ENTRIES = 136; // ENTRIES_*
export const INFO_LOST_GUESTS = 140; // guests that were crashed
export const INFO_ENTRY_LO = 144; // code of the machine's own entries, 0 when it has none
export const INFO_ENTRY_HI = 152;
export const INFO_SIZE = 160;
/** Whose entries guests and interrupts come in by. */
export const ENTRIES_IMAGE = 0;
export const ENTRIES_MACHINE = 1;
/** hv_entry_symbol leaves ENTRY_SYMBOL_*: the name of a piece of the machine's own entries. */
export const ENTRY_SYMBOL_OFFSET = 0; // u32
export const ENTRY_SYMBOL_LENGTH = 4; // u32
export const ENTRY_SYMBOL_NAME = 8;
/** hv_cpu_get leaves CPU_INFO_*: registers are 16 u64 in encoding order. */
export const CPU_INFO_STATE = 0;
export const CPU_INFO_DOMAIN = 4;
export const CPU_INFO_STOP = 8;
export const CPU_INFO_VECTOR = 12;
export const CPU_INFO_ERROR = 16;
export const CPU_INFO_USER = 20;
export const CPU_INFO_RIP = 24;
export const CPU_INFO_RFLAGS = 32;
export const CPU_INFO_FAULT_VA = 40;
export const CPU_INFO_RETIRED = 48;
export const CPU_INFO_STACK_TOP = 56;
export const CPU_INFO_REGS = 64;
export const CPU_INFO_CRASHED = 192; // u32: the hypervisor faulted here, and it stopped
export const CPU_INFO_LOST = 196; // u32: its guest was crashed, and how:
export const CPU_INFO_LOST_DOMAIN = 200;
export const CPU_INFO_LOST_VECTOR = 204;
export const CPU_INFO_LOST_ERROR = 208;
export const CPU_INFO_LOST_RIP = 216; // u64
export const CPU_INFO_LOST_VA = 224; // u64
export const CPU_INFO_SIZE = 232;
/** What guests do when the machine runs (BOOT_WORKLOAD). */
export const WORKLOAD_NONE = 0; // no guests: CPUs work when they are called
export const WORKLOAD_IDLE = 1;
export const WORKLOAD_STORM = 2;
export const WORKLOAD_DOMCTL = 3;
export const WORKLOAD_DEEP = 4;
export const WORKLOAD_MIXED = 5;
export const WORKLOAD_SPIN = 6; // guests that never enter the hypervisor
export const WORKLOAD_BLOCK = 7;
export const WORKLOADS = 8;
/** Where CPUs meet for patching (BOOT_QUIESCE; K62). */
export const QUIESCE_GUEST_ENTRY = 0;
export const QUIESCE_RENDEZVOUS = 1;
/** What an address belongs to. */
export const REGION_NONE = 0;
export const REGION_TEXT = 1;
export const REGION_RODATA = 2;
export const REGION_DATA = 3;
export const REGION_INIT = 4; // dropped after boot

// --- the machine as the host sees it (the core's own: hv/param.ts, hv/layout.ts, hv/cpu.ts) -----
export const IO_WINDOW_SIZE = 0x10000;
export const CONSOLE_RING_BYTES = 0x10000;
export const GUEST_RAM_START = 0x10000000; // virtual, in every domain
export const DOM0_RAM_BYTES = 0x2400000;
export const DOMU_RAM_BYTES = 0x100000;
export const MACHINE_CPUS_MAX = 256;
export const MACHINE_DOMAINS_MAX = 16;
export const CPU_STATE_OFFLINE = 0;
export const CPU_STATE_IDLE = 1;
export const CPU_STATE_HYPERVISOR = 2;
export const CPU_STATE_GUEST = 3;

// --- refusal sig-format: what is wrong with the trailer (`index`; R74-R77, K64) -----------------
export const SIG_FORMAT_MAGIC = 1; // what follows the ELF file is not the RFC's string
export const SIG_FORMAT_LINUX = 2; // it is a Linux module's trailer: string at the end
export const SIG_FORMAT_SHORT = 3; // no room for the header
export const SIG_FORMAT_PAD = 4;
export const SIG_FORMAT_LENGTHS = 5; // parts do not use up the file, or one is empty
export const SIG_FORMAT_ID_TYPE = 6; // the key identifier is not X.509

// --- what is patched, and the payloads: hv_map_get(i) and hv_payload_get(i) leave these ---------
export const MAP_VA = 0;
export const MAP_LENGTH = 8; // u32
export const MAP_KIND = 12; // MAP_KIND_*: the numbers of SPLICE_* (xsplice/splice.ts)
export const MAP_ORDER = 16; // u64: apply order of the payload
export const MAP_TARGET = 24; // u64: where the place leads to, 0 none
export const MAP_OLD_OFF = 32; // linear: the bytes before, `length` of them
export const MAP_NEW_OFF = 36;
export const MAP_FLAGS = 40; // XSPLICE_SECTION_*
export const MAP_MARKS = 44; // MARK_* (xsplice/splice.ts)
export const MAP_ID = 48; // of the payload, 40 bytes
export const MAP_SIZE = 88;
export const MAP_KIND_TRAMPOLINE = 1;
export const MAP_KIND_TEXT = 2;
export const MAP_KIND_DATA = 3;
export const MAP_KIND_FIELD = 4;
export const MAP_KIND_BUG = 5;
export const MAP_KIND_NOP = 6;
export const PAYLOAD_INFO_ID = 0; // 40 bytes
export const PAYLOAD_INFO_STATUS = 40; // i32
export const PAYLOAD_INFO_OLD_STATUS = 44;
export const PAYLOAD_INFO_BASE_VA = 48;
export const PAYLOAD_INFO_TEXT_SIZE = 56; // u64, as the next five
export const PAYLOAD_INFO_RW_SIZE = 64;
export const PAYLOAD_INFO_RO_SIZE = 72;
export const PAYLOAD_INFO_RAW_SIZE = 80; // of the file as uploaded
export const PAYLOAD_INFO_ORDER = 88; // of application, 0 not applied
export const PAYLOAD_INFO_PAGES = 96; // u32
export const PAYLOAD_INFO_CMD = 100; // XSPLICE_ACTION_* last asked for
export const PAYLOAD_INFO_NAME = 104; // the payload's own name, 40 bytes
export const PAYLOAD_INFO_SYMBOLS_OFF = 144; // linear: PAYLOAD_SYMBOL_* records, 0 none
export const PAYLOAD_INFO_SYMBOLS = 148;
export const PAYLOAD_INFO_SIZE = 152;
/** A symbol that a payload keeps. */
export const PAYLOAD_SYMBOL_VA = 0; // u64
export const PAYLOAD_SYMBOL_LENGTH = 8; // u64
export const PAYLOAD_SYMBOL_NAME_OFF = 16; // linear, NUL-terminated
export const PAYLOAD_SYMBOL_RECORD = 32;
