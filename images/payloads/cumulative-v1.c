/*
 * Interdependency mode 1 (R197), the first of two: account_last.
 * Visible: account_last(0) is 1001 before, 1101 after.
 */
#include "payload.h"

u64 account_tick(u64 ticks);

u64 new_account_last(u64 v)
{
    return v + 1101;
}

u64 old_account_last(u64 v)
{
    return account_tick(v + 1000);
}

DEFINE_HOWTO(jump, XSPLICE_HOWTO_TRAMPOLINE);
DEFINE_SYMBOL(last, "account_last", "+<0x0>");
XSPLICE_RELOCS struct xsplice_reloc relocs[] = {
    TRAMPOLINE_RELOC(account_last, last, jump),
};
XSPLICE_SECTIONS struct xsplice_section sections[] = {
    OBJECT_SECTION(account_last, last, XSPLICE_SECTION_TEXT),
};
XSPLICE_PATCHES struct xsplice_patch patches[] = {
    TRAMPOLINE_PATCH(new_account_last),
};

XSPLICE_SECTIONS static struct xsplice_section old_sections[] = {
    OBJECT_SECTION(account_last, last, XSPLICE_SECTION_TEXT),
};
XSPLICE_PATCHES static struct xsplice_patch old_patches[] = {
    BYTES_PATCH(XSPLICE_PATCH_INLINE_TEXT, 0, old_account_last, SIZE_OF(old_account_last)),
};
XSPLICE_CODE static struct xsplice_code old_code = {
    .sections = old_sections, .n_sections = 1, .patches = old_patches, .n_patches = 1,
};
XSPLICE_PAYLOAD("cumulative-v1", BUILD_ID, &old_code);
