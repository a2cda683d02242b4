// do_xen_version: the entry whose bytes the RFC shows (R206, R211). The rest of the function is C
// (common/kernel.c): the linker script puts xen_version_body right behind these 16 bytes and
// xen_version_high at +0x534, where the `ja` goes; all of it is one function of 1728 bytes.
        .file   "kernel.c"
        .section .text.do_xen_version.entry, "ax", @progbits
        .globl  do_xen_version
        .hidden do_xen_version
        .type   do_xen_version, @function
do_xen_version:
        mov     $0xffffffffffffffda, %rax
        cmp     $9, %edi
        .byte   0x0f, 0x87              // ja do_xen_version+0x534
        .long   0x534 - 16
        .size   do_xen_version, 1728

        .section .note.GNU-stack, "", @progbits
