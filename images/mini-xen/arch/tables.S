// The three hypercall tables, each a named object in .rodata at the address that the linker script
// gives it (R207, R208). What a number means in one it means in all; compat and HVM guests lack some.
        .file   "hypercall.c"

        .macro  TABLE name
        .section .rodata.\name, "a", @progbits
        .globl  \name
        .hidden \name
        .type   \name, @object
        .size   \name, 64 * 8
\name:
        .endm

        .macro  NI count
        .rept   \count
        .quad   do_ni_hypercall
        .endr
        .endm

        .macro  REST                    // 36 .. 63
        .quad   do_domctl               // 36
        NI      1
        .quad   do_tmem_op              // 38
        NI      9
        NI      2                       // 48, 49
        .quad   do_loop                 // 50: ours, from here
        .quad   do_deep                 // 51
        .quad   do_fanout               // 52
        .quad   do_account              // 53
        .quad   do_text                 // 54
        .quad   do_probe                // 55
        NI      8
        .endm

        .macro  EVENTS_TO_SYSCTL        // 29 .. 35
        .quad   do_sched_op             // 29
        NI      2
        .quad   do_event_channel_op     // 32
        NI      2
        .quad   do_sysctl               // 35
        .endm

        TABLE   hypercall_table
        NI      8
        .quad   do_set_debugreg         // 8
        .quad   do_get_debugreg         // 9
        NI      2
        .quad   do_memory_op            // 12
        .quad   do_multicall            // 13
        NI      1
        .quad   do_set_timer_op         // 15
        NI      1
        .quad   do_xen_version          // 17
        .quad   do_console_io           // 18
        NI      2
        .quad   do_vm_assist            // 21
        NI      2
        .quad   do_vcpu_op              // 24
        NI      4
        EVENTS_TO_SYSCTL
        REST

        TABLE   compat_hypercall_table
        NI      12
        .quad   do_memory_op            // 12
        NI      4
        .quad   do_xen_version          // 17
        .quad   do_console_io           // 18
        NI      2
        .quad   do_vm_assist            // 21
        NI      2
        .quad   do_vcpu_op              // 24
        NI      4
        EVENTS_TO_SYSCTL
        REST

        TABLE   hvm_hypercall64_table
        NI      12
        .quad   do_memory_op            // 12
        NI      4
        .quad   do_xen_version          // 17
        NI      6
        .quad   do_vcpu_op              // 24
        NI      4
        EVENTS_TO_SYSCTL
        REST

        .section .note.GNU-stack, "", @progbits
