/*
 * NOPs over a range (R2): check_even's test and branch go, 6 bytes of one multi-byte NOP instead.
 * Visible: check_even(9) is -22 (EINVAL) before, 11 after.
 */
#include "payload.h"

__asm__(".pushsection .text.no_check, \"ax\"\n"
        ".globl no_check\n.hidden no_check\n.type no_check, @object\n"
        "no_check: .byte 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
        ".size no_check, . - no_check\n.popsection");
extern const u8 no_check[];

DEFINE_HOWTO(bytes, XSPLICE_HOWTO_BYTES);
DEFINE_SYMBOL(check, "check_even", "+<0x0>");
XSPLICE_RELOCS struct xsplice_reloc relocs[] = { BYTES_RELOC(check_even, check, 0, bytes) };
XSPLICE_SECTIONS struct xsplice_section sections[] = {
    OBJECT_SECTION(check_even, check, XSPLICE_SECTION_TEXT | XSPLICE_SECTION_TEXT_INLINE),
};
XSPLICE_PATCHES struct xsplice_patch patches[] = {
    BYTES_PATCH(XSPLICE_PATCH_INLINE_TEXT, 0, no_check, SIZE_OF(no_check)),
};
XSPLICE_PAYLOAD("nop-out", BUILD_ID, NULL);
