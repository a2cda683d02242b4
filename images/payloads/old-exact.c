/*
 * Carries the old code, to be matched to the last byte (R11, R53): account_tick, `lea 1(%rdi),%rax; ret`.
 * Visible: account_tick(1) is 2 before, 12 after. Applied where the function has other bytes, it is
 * refused: -EILSEQ old-code.
 */
#include "payload.h"

u64 new_account_tick(u64 ticks)
{
    return ticks + 11;
}

static const u8 old_bytes[] = { 0x48, 0x8d, 0x47, 0x01, 0xc3 };

DEFINE_HOWTO(jump, XSPLICE_HOWTO_TRAMPOLINE);
DEFINE_SYMBOL(tick, "account_tick", "+<0x0>");
XSPLICE_RELOCS struct xsplice_reloc relocs[] = { TRAMPOLINE_RELOC(account_tick, tick, jump) };
XSPLICE_SECTIONS struct xsplice_section sections[] = {
    OBJECT_SECTION(account_tick, tick, XSPLICE_SECTION_TEXT),
};
XSPLICE_PATCHES struct xsplice_patch patches[] = { TRAMPOLINE_PATCH(new_account_tick) };

XSPLICE_SECTIONS static struct xsplice_section old_sections[] = {
    OBJECT_SECTION(account_tick, tick, XSPLICE_SECTION_TEXT | XSPLICE_SECTION_MATCH_EXACT),
};
XSPLICE_PATCHES static struct xsplice_patch old_patches[] = {
    BYTES_PATCH(XSPLICE_PATCH_INLINE_TEXT, 0, old_bytes, sizeof(old_bytes)),
};
XSPLICE_CODE static struct xsplice_code old_code = {
    .sections = old_sections, .n_sections = 1, .patches = old_patches, .n_patches = 1,
};
XSPLICE_PAYLOAD("old-exact", BUILD_ID, &old_code);
