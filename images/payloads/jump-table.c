/*
 * A switch's jump table (R177): case 3 of vm_assist leads to new code. gcc's position-independent tables
 * hold offsets from the table's own start, so the field is relative to that: PC_REL with the slot's
 * offset in the table as isns_added. The table has no symbol; its address comes from the disassembly.
 * Visible: vm_assist(3, 100) is 93 before, 1100 after, the other cases as before.
 */
#include "payload.h"

#define SLOT (3 * 4)

/* the value is in %rsi, the function has no frame */
__asm__(".pushsection .text.new_case, \"ax\"\n"
        ".globl new_case\n.hidden new_case\n.type new_case, @function\n"
        "new_case: lea 1000(%rsi),%rax\n\tret\n"
        ".size new_case, . - new_case\n.popsection");
extern const u8 new_case[];

DEFINE_HOWTO(table32, XSPLICE_HOWTO_REL32);

XSPLICE_RELOCS struct xsplice_reloc relocs[] = {
    { .addr = ADDR_vm_assist_table + SLOT, .howto = &table32, .isns_added = SLOT },
};
XSPLICE_SECTIONS struct xsplice_section sections[] = {
    { .address = ADDR_vm_assist_table, .size = 6 * 4, .flags = XSPLICE_SECTION_RODATA },
};
XSPLICE_PATCHES struct xsplice_patch patches[] = {
    FIELD_PATCH(XSPLICE_PATCH_INLINE_DATA, vm_assist_table, SLOT, new_case),
};
XSPLICE_PAYLOAD("jump-table", BUILD_ID, NULL);
