// Numbers of today's live patching that both compilers read (see abi.ts): the CPU profile of a
// boot, the sysctl of Xen 4.17 and what the border tells about its payloads. Plain integer
// constants only.

// --- the CPU that the image was booted on (hv/cpu_features.ts): in the I/O window behind the
// fields of hv_boot, looked at when BOOT_OPTIONS has BOOT_CPU_PROFILE. Words as Xen 4.17 numbers
// them.
export const BOOT_CPU_PROFILE = 0x10000;
export const BOOT_FEATURES = 32; // u32[FEATURE_WORDS]
export const FEATURE_WORDS = 22;
export const BOOT_NOP_STYLE = 120; // NOPS_P6, NOPS_K8
export const BOOT_PLATFORM = 124; // PLATFORM_*
export const BOOT_PROFILE_END = 128;
export const NOPS_P6 = 0;
export const NOPS_K8 = 1;
/** Pointers that early boot chooses stay as the file has them; calls through null ones stay
 *  indirect. */
export const PLATFORM_NONE = 0;
/** AMD family 15 with HPET and ACPI timer, xAPIC: what QEMU's PC is to Xen. */
export const PLATFORM_AMD_K8 = 1;
/** Bits that hold for any boot with the defaults of 4.17: LM ("always"), SC_NO_LOCK_HARDEN. */
export const FEATURE_LM = 93;
export const FEATURE_SC_NO_LOCK_HARDEN = 620;
export const FEATURE_LIMIT = 672; // 21 words, Xen 4.17

/** hv_site_get leaves SITE_*: one record of the image's own alternatives. */
export const SITE_VA = 0;
export const SITE_LENGTH = 8;
export const SITE_FEATURE = 12; // bit 15: applied when absent
export const SITE_FLAGS = 16;
export const SITE_POINTER = 24; // of an alternative call: where its target is kept
export const SITE_SIZE = 32;
export const SITE_TAKEN = 1; // the replacement is in place
export const SITE_ALTCALL = 2;
export const SITE_UNSETTLED = 4; // its pointer was null: depends on choices of early boot
export const SITE_CHANGED = 8; // bytes differ from the file's

// --- today's live patching: the sysctl of Xen 4.17 (op 27), offsets in struct xen_sysctl
// -----------
export const XEN_SYSCTL_INTERFACE_VERSION_4_17 = 0x00000015;
export const XEN_SYSCTL_LIVEPATCH_OP = 27;
export const LIVEPATCH_CMD = 8;
export const LIVEPATCH_PAD = 12;
export const XEN_SYSCTL_LIVEPATCH_UPLOAD = 0;
export const XEN_SYSCTL_LIVEPATCH_GET = 1;
export const XEN_SYSCTL_LIVEPATCH_LIST = 2;
export const XEN_SYSCTL_LIVEPATCH_ACTION = 3;
export const XEN_LIVEPATCH_NAME_SIZE = 128;
export const LIVEPATCH_NAME_PTR = 16;
export const LIVEPATCH_NAME_LEN = 24; // u16, NUL included; u16[3] pad
export const LIVEPATCH_UPLOAD_LEN = 32;
export const LIVEPATCH_UPLOAD_PAYLOAD = 40;
export const LIVEPATCH_STATUS_STATE = 32;
export const LIVEPATCH_STATUS_RC = 36;
export const LIVEPATCH_LIST_VERSION = 16;
export const LIVEPATCH_LIST_IDX = 20;
export const LIVEPATCH_LIST_NR = 24;
export const LIVEPATCH_LIST_PAD = 28;
export const LIVEPATCH_LIST_NAME_TOTAL = 32;
export const LIVEPATCH_LIST_METADATA_TOTAL = 36;
export const LIVEPATCH_LIST_STATUS = 40;
export const LIVEPATCH_LIST_NAME = 48;
export const LIVEPATCH_LIST_LEN = 56;
export const LIVEPATCH_LIST_METADATA = 64;
export const LIVEPATCH_LIST_METADATA_LEN = 72;
export const LIVEPATCH_LIST_MAX = 1024;
export const LIVEPATCH_ACTION_CMD = 32;
export const LIVEPATCH_ACTION_TIMEOUT = 36; // ns
export const LIVEPATCH_ACTION_FLAGS = 40;
export const LIVEPATCH_ACTION_PAD = 44;
export const LIVEPATCH_STATE_CHECKED = 1;
export const LIVEPATCH_STATE_APPLIED = 2;
export const LIVEPATCH_ACTION_UNLOAD = 1;
export const LIVEPATCH_ACTION_REVERT = 2;
export const LIVEPATCH_ACTION_APPLY = 3;
export const LIVEPATCH_ACTION_REPLACE = 4;
export const LIVEPATCH_ACTION_APPLY_NODEPS = 1;
export const LIVEPATCH_PAYLOAD_MAX = 0x200000;
export const XENVER_build_id = 10;

/** hv_livepatch_get leaves LIVEPATCH_INFO_*; offsets of bytes are linear memory. */
export const LIVEPATCH_INFO_STATE = 0;
export const LIVEPATCH_INFO_RC = 4;
export const LIVEPATCH_INFO_HAZARDS = 8; // u64 of HAZARD_* bits (reasons.ts)
export const LIVEPATCH_INFO_NAME_OFF = 16;
export const LIVEPATCH_INFO_NAME_LEN = 20;
export const LIVEPATCH_INFO_METADATA_OFF = 24;
export const LIVEPATCH_INFO_METADATA_LEN = 28;
export const LIVEPATCH_INFO_ID_OFF = 32;
export const LIVEPATCH_INFO_ID_LEN = 36;
export const LIVEPATCH_INFO_DEPENDS_OFF = 40;
export const LIVEPATCH_INFO_DEPENDS_LEN = 44;
export const LIVEPATCH_INFO_TEXT_VA = 48;
export const LIVEPATCH_INFO_TEXT_SIZE = 56;
export const LIVEPATCH_INFO_RW_VA = 64;
export const LIVEPATCH_INFO_RW_SIZE = 72;
export const LIVEPATCH_INFO_RO_VA = 80;
export const LIVEPATCH_INFO_RO_SIZE = 88;
export const LIVEPATCH_INFO_PAGES = 96;
export const LIVEPATCH_INFO_FUNCS = 100;
export const LIVEPATCH_INFO_HOOKS = 104; // HOOK_* bits
export const LIVEPATCH_INFO_FLAGS = 108; // bits: 0 may be applied again, 1 reverted, 2 busy
export const LIVEPATCH_INFO_ORDER = 112; // u64: of application, 0 not applied
export const LIVEPATCH_INFO_SLOT = 120;
export const LIVEPATCH_INFO_SYMBOLS = 124;
export const LIVEPATCH_INFO_SIZE = 128;
/** hv_livepatch_symbol_at leaves LIVEPATCH_SYMBOL_*. */
export const LIVEPATCH_SYMBOL_VA = 0; // u64: where it begins
export const LIVEPATCH_SYMBOL_NAME_OFF = 8; // linear, NUL-terminated
export const LIVEPATCH_SYMBOL_OWNER_OFF = 12; // linear: the payload's name
export const LIVEPATCH_SYMBOL_OWNER_LEN = 16;
export const LIVEPATCH_SYMBOL_SIZE = 24;
/** hv_livepatch_func leaves LIVEPATCH_FUNC_*. */
export const LIVEPATCH_FUNC_OLD_VA = 0;
export const LIVEPATCH_FUNC_NEW_VA = 8; // 0: NOPs
export const LIVEPATCH_FUNC_OLD_SIZE = 16;
export const LIVEPATCH_FUNC_NEW_SIZE = 20;
export const LIVEPATCH_FUNC_APPLIED = 24;
export const LIVEPATCH_FUNC_PATCH_OFFSET = 28;
export const LIVEPATCH_FUNC_LENGTH = 32; // bytes that change
export const LIVEPATCH_FUNC_SYMBOL = 36; // i32 index in the image's symbols, -1 none
export const LIVEPATCH_FUNC_HAZARDS = 40; // u64
export const LIVEPATCH_FUNC_SAVED_OFF = 48; // linear: bytes that were there, while applied
export const LIVEPATCH_FUNC_NAME_OFF = 52; // linear, 0 none
export const LIVEPATCH_FUNC_EXPECT_LEN = 56; // -1: no expectation
export const LIVEPATCH_FUNC_EXPECT_OFF = 60;
export const LIVEPATCH_FUNC_RECORD_SIZE = 64;
