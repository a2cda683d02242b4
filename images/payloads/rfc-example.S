// The first bytes of the RFC's example: `83 ff 09` and the jump for sub-operations above 9.
        .file   "rfc-example.S"
        .section .text.rfc.entry, "ax", @progbits
        .globl  do_xen_version_new_code
        .hidden do_xen_version_new_code
        .type   do_xen_version_new_code, @function
do_xen_version_new_code:
        cmp     $9, %edi
        .byte   0x0f, 0x87              // ja do_xen_version_new_code+0x534
        .long   0x534 - 9
        .p2align 4                      // rfc_body follows
        .size   do_xen_version_new_code, 1728

        .section .note.GNU-stack, "", @progbits
