// do_domctl: the one place in it whose address the RFC shows (R209) is the call of arch_do_domctl at
// +0x19f0. The function's body is C (common/domctl.c) and calls do_domctl_arch for sub-operations that
// are the architecture's. The linker script puts the three parts where they belong; do_domctl spans
// all of them, and the gap between body and call is int3, never reached.
        .file   "domctl.c"
        .section .text.do_domctl.entry, "ax", @progbits
        .globl  do_domctl
        .hidden do_domctl
        .type   do_domctl, @function
do_domctl:
        .size   do_domctl, 0x19f0 + 10

        .section .text.do_domctl.arch, "ax", @progbits
        .globl  do_domctl_arch
        .hidden do_domctl_arch
        .type   do_domctl_arch, @function
do_domctl_arch:
        sub     $8, %rsp
        call    arch_do_domctl
        add     $8, %rsp
        ret
        .size   do_domctl_arch, . - do_domctl_arch

        .section .note.GNU-stack, "", @progbits
