/*
 * Interdependency mode 1 (R197), everything that cumulative-v1 fixes, and account_irq besides. The old code it
 * carries is the unpatched hypervisor's, so it replaces v1 in one step, or stands alone.
 * Visible: account_last(0) is 1001 or, over v1, 1101 before, 1201 after; do_account's sum changes too.
 */
#include "payload.h"

u64 account_tick(u64 ticks);

u64 new_account_last(u64 v)
{
    return v + 1201;
}

u64 old_account_last(u64 v)
{
    return account_tick(v + 1000);
}

u64 new_account_irq(u64 v)
{
    return v & 1 ? account_tick(v) : v;
}

u64 old_account_irq(u64 v)
{
    return v & 1 ? account_tick(v) - 5 : v;
}

DEFINE_HOWTO(jump, XSPLICE_HOWTO_TRAMPOLINE);
DEFINE_SYMBOL(last, "account_last", "+<0x0>");
DEFINE_SYMBOL(irq, "account_irq", "+<0x0>");
XSPLICE_RELOCS struct xsplice_reloc relocs[] = {
    TRAMPOLINE_RELOC(account_last, last, jump),
    TRAMPOLINE_RELOC(account_irq, irq, jump),
};
XSPLICE_SECTIONS struct xsplice_section sections[] = {
    OBJECT_SECTION(account_last, last, XSPLICE_SECTION_TEXT),
    OBJECT_SECTION(account_irq, irq, XSPLICE_SECTION_TEXT),
};
XSPLICE_PATCHES struct xsplice_patch patches[] = {
    TRAMPOLINE_PATCH(new_account_last),
    TRAMPOLINE_PATCH(new_account_irq),
};

XSPLICE_SECTIONS static struct xsplice_section old_sections[] = {
    OBJECT_SECTION(account_last, last, XSPLICE_SECTION_TEXT),
    OBJECT_SECTION(account_irq, irq, XSPLICE_SECTION_TEXT),
};
XSPLICE_PATCHES static struct xsplice_patch old_patches[] = {
    BYTES_PATCH(XSPLICE_PATCH_INLINE_TEXT, 0, old_account_last, SIZE_OF(old_account_last)),
    BYTES_PATCH(XSPLICE_PATCH_INLINE_TEXT, 0, old_account_irq, SIZE_OF(old_account_irq)),
};
XSPLICE_CODE static struct xsplice_code old_code = {
    .sections = old_sections, .n_sections = 2, .patches = old_patches, .n_patches = 2,
};
XSPLICE_PAYLOAD("cumulative-v2", BUILD_ID, &old_code);
