/*
 * In place, shorter than what it replaces (R2): clamp_request loses its limit. 4 bytes over the 13 of the
 * old function; they end inside its first instruction (5 bytes), whose rest becomes a NOP.
 * Visible: clamp_request(5000) is 1000 before, 5000 after; so is hypercall 52 with 5000.
 */
#include "payload.h"

__asm__(".pushsection .text.new_clamp, \"ax\"\n"
        ".globl new_clamp\n.hidden new_clamp\n.type new_clamp, @function\n"
        "new_clamp: mov %rdi,%rax\n\tret\n"
        ".size new_clamp, . - new_clamp\n.popsection");
extern const u8 new_clamp[];

DEFINE_HOWTO(bytes, XSPLICE_HOWTO_BYTES);
DEFINE_SYMBOL(clamp, "clamp_request", "+<0x0>");
XSPLICE_RELOCS struct xsplice_reloc relocs[] = { BYTES_RELOC(clamp_request, clamp, 0, bytes) };
XSPLICE_SECTIONS struct xsplice_section sections[] = {
    OBJECT_SECTION(clamp_request, clamp, XSPLICE_SECTION_TEXT | XSPLICE_SECTION_TEXT_INLINE),
};
XSPLICE_PATCHES struct xsplice_patch patches[] = {
    BYTES_PATCH(XSPLICE_PATCH_INLINE_TEXT, 0, new_clamp, SIZE_OF(new_clamp)),
};
XSPLICE_PAYLOAD("inline-text", BUILD_ID, NULL);
