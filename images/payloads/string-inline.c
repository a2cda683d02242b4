/*
 * A string changed where it is (R176, R178): the array console_banner, which has one user.
 * Visible: `call text_banner --string`, and hypercall 54 with 2: "no patches" becomes "1 patch".
 */
#include "payload.h"

static const char new_banner[32] = "mini-Xen console, 1 patch";

DEFINE_HOWTO(bytes, XSPLICE_HOWTO_BYTES);
DEFINE_SYMBOL(banner, "console_banner", "+<0x0>");
XSPLICE_RELOCS struct xsplice_reloc relocs[] = { BYTES_RELOC(console_banner, banner, 0, bytes) };
XSPLICE_SECTIONS struct xsplice_section sections[] = {
    OBJECT_SECTION(console_banner, banner, XSPLICE_SECTION_RODATA | XSPLICE_SECTION_STRING),
};
XSPLICE_PATCHES struct xsplice_patch patches[] = {
    BYTES_PATCH(XSPLICE_PATCH_INLINE_DATA, 0, new_banner, sizeof(new_banner)),
};
XSPLICE_PAYLOAD("string-inline", BUILD_ID, NULL);
