/*
 * The trap of the RFC's ".rodata sections": the literal that text_refused returns is also text_denied's,
 * because compiler and linker merged them. Changed in place it changes for both; the hypervisor finds
 * the other user and says so. string-new.c does it properly.
 * Visible: `call text_refused --string` and `call text_denied --string` both change.
 */
#include "payload.h"

static const char new_text[TEXT_SIZE] = "operation refused";

DEFINE_HOWTO(bytes, XSPLICE_HOWTO_BYTES);
XSPLICE_RELOCS struct xsplice_reloc relocs[] = { { .addr = ADDR_text, .howto = &bytes } };
XSPLICE_SECTIONS struct xsplice_section sections[] = {
    { .address = ADDR_text, .size = TEXT_SIZE,
      .flags = XSPLICE_SECTION_RODATA | XSPLICE_SECTION_STRING },
};
XSPLICE_PATCHES struct xsplice_patch patches[] = {
    BYTES_PATCH(XSPLICE_PATCH_INLINE_DATA, ADDR_text, new_text, sizeof(new_text)),
};
XSPLICE_PAYLOAD("string-merged", BUILD_ID, NULL);
