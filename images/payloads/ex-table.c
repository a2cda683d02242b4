/*
 * An exception table in the payload (R195): the new safe_read_u64 reads two words that may fault and has
 * its own entries, in section .ex_table, out of order on purpose: the loader sorts. (Format as the
 * image's: two s32 per entry, each relative to its own field; __start_payload_ex_table names it.)
 * Visible: do_probe(0xdead000) (hypercall 55, dom0) is -14 before, -61 (ENODATA) after.
 */
#include "payload.h"

__asm__(".pushsection .text.new_safe_read_u64, \"ax\"\n"
        ".p2align 4\n"
        ".globl new_safe_read_u64\n.hidden new_safe_read_u64\n"
        ".type new_safe_read_u64, @function\n"
        "new_safe_read_u64:\n"
        "1:\tmov (%rdi),%rax\n"
        "2:\tmov %rax,(%rsi)\n"
        "\txor %eax,%eax\n"
        "\tret\n"
        "3:\tmov $-61,%rax\n"
        "\tret\n"
        "4:\tmov $-14,%rax\n"
        "\tret\n"
        ".size new_safe_read_u64, . - new_safe_read_u64\n"
        ".popsection\n"
        ".pushsection .ex_table, \"a\"\n"
        ".p2align 2\n"
        ".globl __start_payload_ex_table\n.hidden __start_payload_ex_table\n"
        "__start_payload_ex_table:\n"
        "\t.long 2b - ., 4b - .\n"
        "\t.long 1b - ., 3b - .\n"
        ".popsection");
extern const u8 new_safe_read_u64[];

/* do_probe turns every failure into -EFAULT: it has to learn the difference too */
long new_do_probe(u64 va)
{
    long (*read)(u64, u64 *) = (void *)new_safe_read_u64;
    u64 value;
    long rc;

    if (!current->domain->is_privileged)
        return -EPERM;
    rc = read(va, &value);
    return rc ? rc : (long)(value & 0x7fffffffffffffff);
}

DEFINE_HOWTO(jump, XSPLICE_HOWTO_TRAMPOLINE);
DEFINE_SYMBOL(reader, "safe_read_u64", "+<0x0>");
DEFINE_SYMBOL(probe, "do_probe", "+<0x0>");
XSPLICE_RELOCS struct xsplice_reloc relocs[] = {
    TRAMPOLINE_RELOC(safe_read_u64, reader, jump),
    TRAMPOLINE_RELOC(do_probe, probe, jump),
};
XSPLICE_SECTIONS struct xsplice_section sections[] = {
    OBJECT_SECTION(safe_read_u64, reader, XSPLICE_SECTION_TEXT),
    OBJECT_SECTION(do_probe, probe, XSPLICE_SECTION_TEXT),
};
XSPLICE_PATCHES struct xsplice_patch patches[] = {
    TRAMPOLINE_PATCH(new_safe_read_u64),
    TRAMPOLINE_PATCH(new_do_probe),
};
XSPLICE_PAYLOAD("ex-table", BUILD_ID, NULL);
