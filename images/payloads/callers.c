/*
 * The RFC's second mechanism (R3, K14): every call and jump to account_tick goes to the new function
 * instead; account_tick itself is not touched. One patch per site, all sharing one content. SITES is
 * made from the image's disassembly: per site the function it is in and the displacement's offset.
 * Visible: do_account (hypercall 53), argument 7: 1077 before; each tick counts 101 instead of 1 after.
 * account_tick(1), called directly, stays 2.
 */
#include "payload.h"

u64 new_account_tick(u64 ticks)
{
    return ticks + 101;
}

DEFINE_HOWTO(rel32, XSPLICE_HOWTO_REL32);

#define SYMBOL(fn, at, id) DEFINE_SYMBOL(sym_##id, #fn, "+<" #at ">");
SITES_account_tick(SYMBOL)

#define RELOC(fn, at, id) FIELD_RELOC(fn, sym_##id, at, -4, rel32),
XSPLICE_RELOCS struct xsplice_reloc relocs[] = { SITES_account_tick(RELOC) };

#define SECTION(fn, at, id) \
    OBJECT_SECTION(fn, sym_##id, XSPLICE_SECTION_TEXT | XSPLICE_SECTION_TEXT_INLINE),
XSPLICE_SECTIONS struct xsplice_section sections[] = { SITES_account_tick(SECTION) };

#define PATCH(fn, at, id) FIELD_PATCH(XSPLICE_PATCH_INLINE_TEXT, fn, at, new_account_tick),
XSPLICE_PATCHES struct xsplice_patch patches[] = { SITES_account_tick(PATCH) };

XSPLICE_PAYLOAD("callers", BUILD_ID, NULL);
