/*
 * Pointer tables (R4, R177): slot 17 of hypercall_table (at 0xffff82d08024b2f8, the RFC's example), of
 * compat_hypercall_table and of hvm_hypercall64_table get the address of a new do_xen_version, which
 * asks the old one for all but the version. Nothing in .text changes; .rodata does, for a moment writable.
 * Visible: xen_version 0 is 0x40006 before, 0x40007 after; `call do_xen_version 0` stays 0x40006.
 */
#include "payload.h"

#define SLOT (17 * 8)

long do_xen_version(u32 cmd, u64 arg);

long new_do_xen_version(u32 cmd, u64 arg)
{
    return cmd == 0 ? (xen_major_version() << 16) + xen_minor_version() + 1
                    : (u64)do_xen_version(cmd, arg);
}

DEFINE_HOWTO(abs64, XSPLICE_HOWTO_ABS64);
DEFINE_SYMBOL(pv, "hypercall_table", "+<0x88>");
DEFINE_SYMBOL(compat, "compat_hypercall_table", "+<0x88>");
DEFINE_SYMBOL(hvm, "hvm_hypercall64_table", "+<0x88>");

XSPLICE_RELOCS struct xsplice_reloc relocs[] = {
    FIELD_RELOC(hypercall_table, pv, SLOT, 0, abs64),
    FIELD_RELOC(compat_hypercall_table, compat, SLOT, 0, abs64),
    FIELD_RELOC(hvm_hypercall64_table, hvm, SLOT, 0, abs64),
};
XSPLICE_SECTIONS struct xsplice_section sections[] = {
    OBJECT_SECTION(hypercall_table, pv, XSPLICE_SECTION_RODATA),
    OBJECT_SECTION(compat_hypercall_table, compat, XSPLICE_SECTION_RODATA),
    OBJECT_SECTION(hvm_hypercall64_table, hvm, XSPLICE_SECTION_RODATA),
};
XSPLICE_PATCHES struct xsplice_patch patches[] = {
    FIELD_PATCH(XSPLICE_PATCH_INLINE_DATA, hypercall_table, SLOT, new_do_xen_version),
    FIELD_PATCH(XSPLICE_PATCH_INLINE_DATA, compat_hypercall_table, SLOT, new_do_xen_version),
    FIELD_PATCH(XSPLICE_PATCH_INLINE_DATA, hvm_hypercall64_table, SLOT, new_do_xen_version),
};
XSPLICE_PAYLOAD("pointer-table", BUILD_ID, NULL);
