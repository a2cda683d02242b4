// Entries into the hypervisor: hypercalls made by the machine's host, guests' syscalls, interrupts.
// Frame layout is struct cpu_user_regs (include/xen.h); README.md tells what the machine does before.
        .file   "entry.S"

#define UREGS_rbp 32
#define UREGS_cs 136
#define INFO_processor 200 /* from the start of struct cpu_info */

        .macro  SAVE_GPRS               // rsp at error_code/entry_vector
        push    %rdi
        push    %rsi
        push    %rdx
        push    %rcx
        push    %rax
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        .endm

        .macro  RESTORE_GPRS
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rax
        pop     %rcx
        pop     %rdx
        pop     %rsi
        pop     %rdi
        .endm

// In a build with frame pointers, rbp tells who walks them that a struct cpu_user_regs lies here and
// no ordinary frame: the inverted address of the rbp saved in it, as Xen's own entries do it.
        .macro  MARK_FRAME              // rsp at cpu_user_regs
#ifdef CONFIG_FRAME_POINTER
        lea     UREGS_rbp(%rsp), %rbp
        not     %rbp
#endif
        .endm

        .macro  ENTRY name
        .section .text.entry.\name, "ax", @progbits
        .p2align 4
        .globl  \name
        .hidden \name
        .type   \name, @function
\name:
        .endm

        .macro  END name
        .size   \name, . - \name
        .endm

// A hypercall made by the host for a guest: number in rax, arguments rdi rsi rdx r10 r8 r9, on this
// CPU's stack with a return address pushed. Dispatches through the table in memory, as guests do.
        ENTRY   hypercall_entry
        cmp     $64, %rax
        jae     1f
        mov     %r10, %rcx
        lea     hypercall_table(%rip), %r11
        sub     $8, %rsp
        call    *(%r11,%rax,8)
        add     $8, %rsp
        ret
1:      mov     $-38, %rax
        ret
        END     hypercall_entry

// A guest executed `syscall`: rcx = its rip, r11 = its rflags, interrupts off, and the machine has put
// ss and rsp of the guest where an interrupt would have (rsp points at the pushed rsp).
        ENTRY   lstar_enter
        push    %r11
        push    $0xe033
        push    %rcx
        push    $0
        movl    $0x100, 4(%rsp)         // entry_vector: TRAP_syscall
        SAVE_GPRS
        cld
        MARK_FRAME
        sti
        cmp     $64, %rax
        jae     1f
        mov     %r10, %rcx
        lea     hypercall_table(%rip), %r11
        call    *(%r11,%rax,8)
        jmp     2f
1:      mov     $-38, %rax
2:      mov     %rax, 80(%rsp)
        jmp     test_all_events
        END     lstar_enter

// The way back to a guest, with rsp at its cpu_user_regs: softirqs until none is left, then the point
// where all of this CPU's stack is known: the machine may patch there (gate 2), then the guest.
        ENTRY   test_all_events
        cli
        mov     INFO_processor(%rsp), %eax
        shl     $6, %eax
        lea     cpu_stat(%rip), %rdx
        cmpl    $0, (%rdx,%rax)
        jne     process_softirqs
        mov     $2, %eax
        xor     %edi, %edi
        vmcall
        jmp     restore_all_guest
        END     test_all_events

        ENTRY   process_softirqs
        sti
        call    do_softirq
        jmp     test_all_events
        END     process_softirqs

// By iretq in every case: sysretq would need the guest's rsp loaded before it, and an NMI in between
// would run on the guest's stack.
        ENTRY   restore_all_guest
        RESTORE_GPRS
        add     $8, %rsp
        iretq
        END     restore_all_guest

// Interrupts. All of them save the same frame; a guest's goes back through test_all_events, the
// hypervisor's own (nested, idle) directly.
        .macro  INTERRUPT name, vector, handler
        ENTRY   \name
        push    $0
        movl    $\vector, 4(%rsp)
        SAVE_GPRS
        cld
        MARK_FRAME
        mov     %rsp, %rdi
        call    \handler
        jmp     ret_from_intr
        END     \name
        .endm

        INTERRUPT event_check_interrupt, 0xfc, smp_event_check_interrupt
        INTERRUPT call_function_interrupt, 0xfb, smp_call_function_interrupt
        INTERRUPT apic_timer_interrupt, 0xfa, smp_apic_timer_interrupt

        ENTRY   ret_from_intr
        testb   $3, UREGS_cs(%rsp)
        jnz     test_all_events
        RESTORE_GPRS
        add     $8, %rsp
        iretq
        END     ret_from_intr

// NMI: counts and returns to exactly where it was; never looks at softirqs, never patches.
        ENTRY   nmi
        push    $0
        movl    $2, 4(%rsp)
        SAVE_GPRS
        cld
        MARK_FRAME
        mov     %rsp, %rdi
        call    do_nmi
        RESTORE_GPRS
        add     $8, %rsp
        iretq
        END     nmi

        .section .note.GNU-stack, "", @progbits
