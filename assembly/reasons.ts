// Reason codes: why an operation was refused (requirements.md, table D2). Stable numbers, read by
// both compilers. The host derives the printed name from the constant's: REASON_OLD_CODE is
// `old-code`. Append only; never renumber.

export const REASON_NONE = 0;
// any operation
export const REASON_ARG_FAULT = 1;
export const REASON_ABI_VERSION = 2;
export const REASON_NOT_PRIVILEGED = 3;
export const REASON_XSM_DENIED = 4;
export const REASON_UNKNOWN_OP = 5;
export const REASON_ID_EMPTY = 6;
export const REASON_ID_NONCANONICAL = 7;
// upload
export const REASON_SIZE_ZERO = 10;
export const REASON_SIZE_LIMIT = 11;
export const REASON_ID_EXISTS = 12;
export const REASON_PAYLOAD_EXISTS = 13;
export const REASON_NO_MEMORY = 14;
export const REASON_PREEMPTED = 15;
export const REASON_FOREIGN_FORMAT = 16; // today's payload at the RFC's door, or the reverse
// upload: ELF, one per check
export const REASON_ELF_TRUNCATED = 20;
export const REASON_ELF_MAGIC = 21;
export const REASON_ELF_HEADER = 22;
export const REASON_ELF_SECTION_TABLE = 23;
export const REASON_ELF_SECTION_BOUNDS = 24;
export const REASON_ELF_SECTION_ALIGN = 25;
export const REASON_ELF_SECTION_NAME = 26;
export const REASON_ELF_STRING_TABLE = 27;
export const REASON_ELF_SYMBOL_TABLE = 28;
export const REASON_ELF_SYMBOL = 29;
export const REASON_ELF_RELOC_TABLE = 30;
export const REASON_ELF_RELOC = 31;
export const REASON_ELF_SEGMENT = 32;
export const REASON_ELF_UNSUPPORTED_CLASS = 40;
export const REASON_ELF_UNSUPPORTED_MACHINE = 41;
export const REASON_ELF_UNSUPPORTED_TYPE = 42;
export const REASON_ELF_UNSUPPORTED_VERSION = 43;
export const REASON_ELF_UNSUPPORTED_RELOC = 44;
export const REASON_ELF_UNSUPPORTED_WX = 45;
export const REASON_ELF_UNSUPPORTED_SYMBOL = 46;
export const REASON_ELF_UNSUPPORTED_SECTION = 47;
// upload: structures
export const REASON_ROOT_MISSING = 50;
export const REASON_ROOT_MANY = 51;
export const REASON_STRUCT_SIZE = 52;
export const REASON_PAYLOAD_VERSION = 53;
export const REASON_PAD_NONZERO = 54;
export const REASON_FLAG_RESERVED = 55;
export const REASON_ENUM = 56;
export const REASON_COUNT_MISMATCH = 57;
export const REASON_PAYLOAD_POINTER = 58;
export const REASON_RELOC_OVERFLOW = 59;
export const REASON_NAME_LENGTH = 60;
export const REASON_SYMBOL_EXISTS = 61; // a payload symbol collides with one already known
// upload: signature
export const REASON_SIG_MISSING = 70;
export const REASON_SIG_FORMAT = 71;
export const REASON_SIG_ALGO = 72;
export const REASON_SIG_KEY_UNKNOWN = 73;
export const REASON_SIG_BAD = 74;
// get, list, action
export const REASON_GET_STATUS_NONZERO = 80;
export const REASON_NO_SUCH_ID = 81;
export const REASON_LIST_BATCH = 82;
export const REASON_LIST_INDEX = 83;
export const REASON_LIST_HANDLE = 84;
export const REASON_UNKNOWN_CMD = 85;
export const REASON_WRONG_STATE = 86;
export const REASON_BUSY = 87;
export const REASON_STILL_APPLIED = 88;
export const REASON_STILL_REFERENCED = 89; // UNLOAD: a pointer into it is left somewhere
export const REASON_INFO_BUFFER = 90;
// check
export const REASON_BUILD_ID = 100;
export const REASON_NO_BUILD_ID = 101;
export const REASON_SYM_MISSING = 102;
export const REASON_SYM_AMBIGUOUS = 103;
export const REASON_ADDR_SYMBOL = 104;
export const REASON_NOT_MAPPED = 105;
export const REASON_WRONG_SECTION = 106;
export const REASON_INIT_TEXT = 107;
export const REASON_WRITABLE_DATA = 108;
export const REASON_SIZE = 109;
export const REASON_DOES_NOT_FIT = 110;
export const REASON_TOO_SMALL = 111;
export const REASON_DISTANCE = 112;
export const REASON_RELOC_VALUE = 113;
export const REASON_OLD_CODE = 114;
export const REASON_ALREADY_PATCHED = 115;
export const REASON_OVERLAP = 116;
export const REASON_SELF_PATCH = 117;
export const REASON_DEPENDENCY = 118;
export const REASON_CONTENT_NOT_EXECUTABLE = 119;
export const REASON_ENTERED_MIDWAY = 120; // R220
export const REASON_PATCH_ADDRESS = 121; // K12: neither an offset nor an address
// apply, revert
export const REASON_TIMEOUT = 140;
export const REASON_ON_STACK = 141;
export const REASON_NO_VA = 142;
export const REASON_NOT_TOP = 143;
export const REASON_FOREIGN_BYTES = 144;
// the machine
export const REASON_IMAGE = 160; // boot: the image cannot be used (with an elf-* reason as detail)
export const REASON_BOOT_PARAMETER = 161;
export const REASON_BAD_ADDRESS = 162;
export const REASON_NO_SUCH_DOMAIN = 163;
export const REASON_NO_SUCH_CPU = 164;
export const REASON_CPU_BUSY = 165;
export const REASON_NO_HYPERCALL = 166;
export const REASON_ENTRY_MISSING = 167; // boot: an entry of the contract that the image has not
export const REASON_WORKLOAD_HYPERCALL = 168; // boot: guests make a hypercall that it has not
export const REASON_NO_GUESTS = 169; // a hypercall is begun where CPUs only work when called
// the machine's file (found by the host alone)
export const REASON_MACHINE_FILE_FORMAT = 180;
export const REASON_MACHINE_FILE_VERSION = 181;
export const REASON_MACHINE_FILE_SHORT = 182;
export const REASON_MACHINE_FILE_CORRUPT = 183;
export const REASON_MACHINE_FILE_LOCKED = 184;
// what the caller of the library gave
export const REASON_POLICY = 190;
export const REASON_CERTIFICATE = 191;
export const REASON_STOPPED = 192; // the image did not come back from a hypercall
export const REASON_ARGUMENTS = 193; // more than there are registers for
export const REASON_WAITED = 194; // the caller's patience ended, the hypervisor goes on
export const REASON_LIST_CHANGES = 195; // R148: at every restart
export const REASON_LIST_OVERFLOW = 196; // R149
export const REASON_NOT_REACHED = 197; // an action ended without an error in another state
export const REASON_NO_KEY_HANDLER = 198;
export const REASON_PROGRAM = 199; // a program of the host's cannot be run

// today's payloads (spec/livepatch-today): refused as Xen 4.17 refuses them
export const REASON_LP_NAME = 200;
export const REASON_LP_NAME_EXISTS = 201;
export const REASON_LP_PAD = 202;
export const REASON_LP_SECTION_MISSING = 203;
export const REASON_LP_SECTION_EMPTY = 204;
export const REASON_LP_SECTION_SIZE = 205;
export const REASON_LP_NOTHING_TO_PATCH = 206;
export const REASON_LP_NOTE = 207;
export const REASON_LP_FUNC_VERSION = 208;
export const REASON_LP_OLD_SIZE_ZERO = 209;
export const REASON_LP_NOP_SIZE = 210;
export const REASON_LP_TOO_SMALL = 211;
export const REASON_LP_ALTERNATIVE = 212;
export const REASON_LP_MODINFO = 213;
export const REASON_LP_EXPECTATION = 214;
export const REASON_LP_EXPECT_FIELD = 215;
export const REASON_LP_NOT_REAPPLIABLE = 216;
export const REASON_LP_HOOK_VETO = 217;
export const REASON_LP_HOOK_FAILED = 218;
export const REASON_LP_REPLACE_HOOKS = 219;
export const REASON_LP_REPLACE_REVERT = 220;
export const REASON_LP_STILL_APPLIED = 221;
// ... and where the real one crashes or hangs, one for each cause; we refuse
export const REASON_XEN_CRASH_SYMTAB_LINK = 230;
export const REASON_XEN_CRASH_NOT_ALLOC = 231;
export const REASON_XEN_CRASH_SIZE_WRAP = 232;
export const REASON_XEN_CRASH_ALIGN_ZERO = 233;
export const REASON_XEN_CRASH_RELOC_INFO = 234;
export const REASON_XEN_CRASH_NAME_POINTER = 235;
export const REASON_XEN_CRASH_OLD_ADDR = 236;
export const REASON_XEN_CRASH_MODINFO_EMPTY = 237;
export const REASON_XEN_CRASH_HOOK_NULL = 238;
export const REASON_XEN_CRASH_HOOK_ADDRESS = 239;
export const REASON_XEN_CRASH_ALT_FEATURE = 240;
export const REASON_XEN_CRASH_ALT_REPLACEMENT = 241;
export const REASON_XEN_CRASH_ALT_LENGTH = 242;
export const REASON_XEN_CRASH_NOP_UNDERFLOW = 243;
export const REASON_XEN_CRASH_NEW_ADDR = 244; // the new code's page is not executable
export const REASON_XEN_CRASH_NEW_CODE = 245; // the new code is not in the file
export const REASON_XEN_CRASH_HOOK_FAULT = 246;
export const REASON_XEN_HANG_HOOK = 247;
export const REASON_XEN_CRASH_PARTIAL_APPLY = 248;
export const REASON_XEN_CRASH_PARTIAL_REVERT = 249;
export const REASON_XEN_CRASH_STILL_PATCHED = 250; // UNLOAD: hypervisor code still jumps into it
export const REASON_XEN_CRASH_BUG_RECURSION = 251; // a WARN in what printing a WARN calls
export const REASON_XEN_CRASH_WRITE = 252; // the place to patch is not memory of the hypervisor
export const REASON_XEN_CRASH_LOOP = 253; // the new code is the place that jumps to it
export const REASON_XEN_CRASH_MID_INSTRUCTION = 254; // the jump begins inside an instruction
export const REASON_XEN_CRASH_NOP_TAIL = 255; // NOPs end inside one, and what is left does harm
// a file of the host that the caller named (found by the host alone)
export const REASON_FILE_MISSING = 260;
export const REASON_FILE_DENIED = 261;
export const REASON_FILE_IS_DIRECTORY = 262;
export const REASON_FILE_NOT_DIRECTORY = 263;
export const REASON_FILE_TOO_LARGE = 264;
export const REASON_FILE_EXISTS = 265;
export const REASON_FILE_TROUBLE = 266; // whatever else the operating system says
export const REASON_NO_PAYLOAD_FOR_BUILD = 267; // R200: a directory without this build's

// --- what a payload does that Xen accepts and that may do damage: bits of a hazard mask ---------
export const HAZARD_SAME_FUNCTION_TWICE = 0; // revert leaves the first trampoline in place
export const HAZARD_OVERLAP = 1; // two of its ranges overlap
export const HAZARD_NOP_MID_INSTRUCTION = 2; // the range ends inside an instruction
export const HAZARD_NOP_JUMP = 3; // what is left behind the range is not reached as before
export const HAZARD_OLD_MIDWAY = 4; // old_addr is inside a function, not at its start
export const HAZARD_OLD_NOT_TEXT = 5; // old_addr is data
export const HAZARD_OLD_INIT = 6; // old_addr is freed after boot
export const HAZARD_OLD_SIZE = 7; // old_size is not the function's
export const HAZARD_NEW_NOT_EXECUTABLE = 8;
export const HAZARD_NEW_NO_CODE = 9; // new_addr has no bytes in the file
export const HAZARD_NEW_FOREIGN = 10; // new_addr is not in the payload
export const HAZARD_NEW_MIDWAY = 11; // new_addr is not at a symbol
export const HAZARD_UNRELOCATED = 12; // a relocation was skipped or had type NONE
export const HAZARD_INIT_SYMBOL = 13; // a symbol is bound to what is freed after boot
export const HAZARD_HOOK_NULL = 14; // a hook section with a null pointer: no hook
export const HAZARD_FOREIGN_SYMBOL = 15; // bound to another payload, which may be unloaded
export const HAZARD_SECTION_IGNORED = 16; // a second section of a name that is looked up once
export const HAZARD_SECTION_OVERLAP = 17; // alignment 0: sections were loaded over one another
export const HAZARD_STRTAB_WRAPS = 18; // accepted only because a sum wraps
export const HAZARD_ID_IS_XENS = 19; // its own build-id is the hypervisor's
export const HAZARD_EXTABLE_STRAY = 20; // exception table entries outside its text
export const HAZARD_BUG_FRAME_STRAY = 21;
export const HAZARD_ALT_IGNORED = 22; // an alternative marked as done in the file
export const HAZARD_NEVER_REACHED = 23; // length 0: counts as applied, changes nothing
export const HAZARD_DISTANCE_EDGE = 24;
export const HAZARD_DATA_REAPPLY = 25; // writable data: cannot be applied a second time
export const HAZARD_EXPECT_BOOT_SITE = 26; // expected bytes that boot may have patched
export const HAZARD_ALREADY_PATCHED = 27; // another payload's bytes were there
export const HAZARD_REPLACE_DIRTY = 28; // REPLACE brought back what must not be re-applied
export const HAZARD_STUCK_PROGRESS = 29; // EBUSY left rc = -EAGAIN

// --- where: what kind of thing `index` counts (Refusal.place) ---------------------------------
export const PLACE_NONE = 0;
export const PLACE_ELF_HEADER = 1;
export const PLACE_ELF_SECTION = 2;
export const PLACE_ELF_SYMBOL = 3;
export const PLACE_ELF_RELA = 4; // index = section, index2 = entry
export const PLACE_ELF_SEGMENT = 5;
export const PLACE_XSPLICE = 6;
export const PLACE_XSPLICE_CODE = 7; // index 0 = new, 1 = old
export const PLACE_XSPLICE_RELOC = 8;
export const PLACE_XSPLICE_SECTION = 9;
export const PLACE_XSPLICE_PATCH = 10;
export const PLACE_XSPLICE_SYMBOL = 11;
export const PLACE_XSPLICE_HOWTO = 12;
export const PLACE_SIGNATURE = 13;
export const PLACE_SYSCTL = 14; // index = byte offset in struct xen_sysctl
export const PLACE_OLD_PATCH = 15; // a patch or section of `old`
export const PLACE_LP_FUNC = 16; // entry of .livepatch.funcs
export const PLACE_LP_HOOK = 17; // HOOK_* number; index2 = entry
export const PLACE_LP_ALT = 18; // entry of .altinstructions
export const PLACE_LP_NOTE = 19; // section index
export const PLACE_FILE = 20; // a file of the host; its path is the name
export const PLACE_MACHINE = 21; // index = PART_*, index2 = which of them

// --- parts of a machine (Refusal.index of PLACE_MACHINE) ----------------------------------------
export const PART_HEADER = 1;
export const PART_FRAMES = 2;
export const PART_PAGE_TABLES = 3; // of the hypervisor: 0, of a domain: 1 + its number
export const PART_SYMBOLS = 4;
export const PART_NAMES = 5; // index of symbol names
export const PART_REGIONS = 6;
export const PART_SITES = 7; // of the image's alternatives
export const PART_DOMAINS = 8;
export const PART_CPUS = 9;
export const PART_STACKS = 10;
export const PART_TASKLETS = 11;
export const PART_KEYS = 12;
export const PART_QUESTIONS = 13; // to the firmware
export const PART_PAYLOADS = 14;
export const PART_PAYLOAD_LIST = 15;
export const PART_SPLICES = 16;
export const PART_WORK = 17; // actions under way
export const PART_ENTRIES = 18; // the machine's own

// --- which step was refused (Refusal.step) ------------------------------------------------------
export const STEP_UPLOAD = 1;
export const STEP_GET = 2;
export const STEP_LIST = 3;
export const STEP_CHECK = 4;
export const STEP_UNLOAD = 5;
export const STEP_REVERT = 6;
export const STEP_APPLY = 7;
export const STEP_BOOT = 8;
export const STEP_INFO = 9;
export const STEP_REPLACE = 10;
