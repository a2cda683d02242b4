/*
 * Interdependency mode 3 (R199), the upper of two: its old code is what overlap-1 wrote, so it may overlap that
 * one's range, and is refused (old-code) where overlap-1 is not applied.
 * Visible: account_last(0) is 2001 under overlap-1, 3001 after.
 */
#include "payload.h"

/* add $imm32,%rdi */
#define ADD(...) { 0x48, 0x81, 0xc7, __VA_ARGS__ }

static const u8 new_add[] = ADD(0xb8, 0x0b, 0, 0); /* 3000 */
static const u8 old_add[] = ADD(0xd0, 0x07, 0, 0); /* 2000 */

DEFINE_HOWTO(bytes, XSPLICE_HOWTO_BYTES);
DEFINE_SYMBOL(last, "account_last", "+<0x0>");
XSPLICE_RELOCS struct xsplice_reloc relocs[] = { BYTES_RELOC(account_last, last, 0, bytes) };
XSPLICE_SECTIONS struct xsplice_section sections[] = {
    OBJECT_SECTION(account_last, last, XSPLICE_SECTION_TEXT | XSPLICE_SECTION_TEXT_INLINE),
};
XSPLICE_PATCHES struct xsplice_patch patches[] = {
    BYTES_PATCH(XSPLICE_PATCH_INLINE_TEXT, 0, new_add, sizeof(new_add)),
};

XSPLICE_SECTIONS static struct xsplice_section old_sections[] = {
    OBJECT_SECTION(account_last, last, XSPLICE_SECTION_TEXT | XSPLICE_SECTION_MATCH_EXACT),
};
XSPLICE_PATCHES static struct xsplice_patch old_patches[] = {
    BYTES_PATCH(XSPLICE_PATCH_INLINE_TEXT, 0, old_add, sizeof(old_add)),
};
XSPLICE_CODE static struct xsplice_code old_code = {
    .sections = old_sections, .n_sections = 1, .patches = old_patches, .n_patches = 1,
};
XSPLICE_PAYLOAD("overlap-2", BUILD_ID, &old_code);
