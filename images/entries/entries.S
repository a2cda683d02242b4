// The machine's own entries: real code through which guests, interrupts and idle CPUs come into a
// hypervisor image that has none of its own for this machine (README.md tells which has). It does what
// the entries of Xen do (arch/x86/x86_64/entry.S there): a guest's registers are saved as struct
// cpu_user_regs at the top of the CPU's stack, the hypercall is dispatched by the image, and the way
// back is iretq. What is entered, and how, and the gates are those of ../mini-xen/README.md, "Contract".
//
// The page is linked to 0 and may lie anywhere: everything is addressed by rip. The machine fills the
// parameters at its end at boot, and puts two writable pages behind it: `shared` and `stat`.
        .file   "entries.S"

#define UREGS_rbp 32
#define UREGS_rax 80
#define UREGS_cs 136
#define INFO_processor 200              /* from the start of struct cpu_info */
#define TOP_processor -63               /* from rsp | 0x7fff */

#define STAT_SHIFT 4                    /* 16 bytes for each CPU */
#define STAT_calibrate 0                /* CPU 0's: the time rendezvous is due */
#define STAT_called 4                   /* wanted in the time rendezvous */
#define STAT_nmi_count 8
#define STAT_timer_count 12

#define X2APIC_EOI 0x80b
#define X2APIC_ICR 0x830
#define CALL_FUNCTION_VECTOR 0xfb

#define GATE_SYSCTL 1
#define GATE_GUEST_ENTRY 2
#define GATE_RENDEZVOUS_TAIL 3

#define HYPERVISOR_SCHED_OP 29
#define HYPERVISOR_SYSCTL 35
#define ENOSYS 38

// rsp at error_code/entry_vector. rbp tells who walks frames that a struct cpu_user_regs lies here: the
// inverted address of the rbp saved in it, as Xen's own entries have it in a build with frame pointers.
        .macro  SAVE_GPRS
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
        cld
        lea     UREGS_rbp(%rsp), %rbp
        not     %rbp
        .endm

        .macro  RESTORE_AND_IRET
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
        add     $8, %rsp
        iretq
        .endm

        .macro  ENTRY name
        .globl  \name
        .type   \name, @function
\name:
        .endm

        .macro  END name
        .size   \name, . - \name
        .endm

        .macro  STAT_OF_THIS_CPU        // rdx = this CPU's counters, from the top of the stack
        mov     %rsp, %rdx
        or      $0x7fff, %rdx
        mov     TOP_processor(%rdx), %eax
        shl     $STAT_SHIFT, %eax
        lea     stat(%rip), %rdx
        add     %rax, %rdx
        .endm

        .text
// A guest executed `syscall`: number in rax, arguments rdi rsi rdx r10 r8 r9. The image dispatches: its
// own C dispatcher where it has one (Xen since 4.8), else its table. Two hypercalls are the machine's:
// sysctl, because nothing in the image leads to it, and sched_op's yield and block, because an image
// that has not booted has no scheduler.
        ENTRY   lstar_enter
        push    %r11
        push    $0xe033
        push    %rcx
        push    $0
        movl    $0x100, 4(%rsp)         // entry_vector: TRAP_syscall
        SAVE_GPRS
        sti
        cmp     $HYPERVISOR_SCHED_OP, %rax
        je      sched_op
        cmp     $HYPERVISOR_SYSCTL, %rax
        je      sysctl
        END     lstar_enter             // falls through

        ENTRY   dispatch
        mov     pv_hypercall(%rip), %rcx
        test    %rcx, %rcx
        jz      call_table
        mov     %rsp, %rdi
        push    $0                      // a call's frame is 16-byte aligned (psABI, 3.2.2)
        call    *%rcx
        add     $8, %rsp
        jmp     test_all_events         // the result is in the saved rax
        END     dispatch

        ENTRY   call_table
        cmp     hypercall_slots(%rip), %rax
        jae     no_hypercall
        mov     hypercall_table(%rip), %r11
        mov     (%r11,%rax,8), %r11
        test    %r11, %r11
        jz      no_hypercall
        mov     %r10, %rcx
        push    $0
        call    *%r11
        add     $8, %rsp
        jmp     return_to_guest
        END     call_table

// 0 yields, 1 blocks until an interrupt. A CPU whose guest is blocked idles: it is at a patch point, and
// with interrupts off until it sleeps, so that it cannot sleep over the one that calls it there.
        ENTRY   sched_op
        cmp     $1, %edi
        ja      dispatch
        mov     $0, %eax                // keeps the flags
        jb      return_to_guest
        mov     %rax, UREGS_rax(%rsp)
        cli
        mov     $GATE_GUEST_ENTRY, %eax
        vmcall                          // rdi is 1: to idle
        sti
        hlt
        jmp     test_all_events
        END     sched_op

        ENTRY   sysctl
        mov     $GATE_SYSCTL, %eax
        vmcall
        jmp     return_to_guest
        END     sysctl

        ENTRY   no_hypercall
        mov     $-ENOSYS, %rax
        END     no_hypercall

        ENTRY   return_to_guest
        mov     %rax, UREGS_rax(%rsp)
        END     return_to_guest         // falls through

// The way back to a guest, with rsp at its cpu_user_regs: what interrupts have left to be done, then the
// point where all of this CPU's stack is known, which is where patches wait, then the guest.
        ENTRY   test_all_events
        cli
        mov     INFO_processor(%rsp), %eax
        shl     $STAT_SHIFT, %eax
        lea     stat(%rip), %rdx
        cmpl    $0, STAT_calibrate(%rdx,%rax)
        jne     process_softirqs
        mov     $GATE_GUEST_ENTRY, %eax
        xor     %edi, %edi
        vmcall
        END     test_all_events

        ENTRY   restore_all_guest
        RESTORE_AND_IRET
        END     restore_all_guest

        ENTRY   process_softirqs
        sti
        call    time_calibration
        jmp     test_all_events
        END     process_softirqs

// Interrupts: a guest's frame goes back through test_all_events, the hypervisor's own directly.
        .macro  INTERRUPT vector
        push    $0
        movl    $\vector, 4(%rsp)
        SAVE_GPRS
        mov     $X2APIC_EOI, %ecx
        xor     %eax, %eax
        xor     %edx, %edx
        wrmsr
        .endm

// Nothing to do: that the CPU has come into the hypervisor is the point.
        ENTRY   event_check_interrupt
        INTERRUPT 0xfc
        jmp     ret_from_intr
        END     event_check_interrupt

        ENTRY   apic_timer_interrupt
        INTERRUPT 0xfa
        STAT_OF_THIS_CPU
        incl    STAT_timer_count(%rdx)
        test    %eax, %eax              // only CPU 0 calls the others together
        jnz     ret_from_intr
        movl    $1, STAT_calibrate(%rdx)
        jmp     ret_from_intr
        END     apic_timer_interrupt

        ENTRY   call_function_interrupt
        INTERRUPT CALL_FUNCTION_VECTOR
        STAT_OF_THIS_CPU
        cmpl    $0, STAT_called(%rdx)
        je      ret_from_intr           // nobody called: an IPI of the machine's own
        movl    $0, STAT_called(%rdx)
        call    time_calibration_std_rendezvous
        END     call_function_interrupt // falls through

        ENTRY   ret_from_intr
        testb   $3, UREGS_cs(%rsp)
        jnz     test_all_events
        jmp     restore_all_guest
        END     ret_from_intr

// NMI: counts, and returns to exactly where it was.
        ENTRY   nmi
        push    $0
        movl    $2, 4(%rsp)
        SAVE_GPRS
        STAT_OF_THIS_CPU
        incl    STAT_nmi_count(%rdx)
        jmp     restore_all_guest
        END     nmi

// A CPU without a guest, entered with an empty stack. Idle is a patch point like the way into a guest.
        ENTRY   idle_loop
        mov     INFO_processor(%rsp), %ebx
        shl     $STAT_SHIFT, %ebx
        lea     stat(%rip), %rdx
        add     %rdx, %rbx
1:      cli
        cmpl    $0, STAT_calibrate(%rbx)
        jne     2f
        mov     $GATE_GUEST_ENTRY, %eax
        mov     $1, %edi
        vmcall
        cmpl    $0, STAT_calibrate(%rbx)
        jne     2f
        sti
        hlt
        jmp     1b
2:      sti
        call    time_calibration
        jmp     1b
        END     idle_loop

// The RFC's time rendezvous, called on CPU 0 with interrupts on: calls all CPUs that are online
// together, stamps the time when the last has come, and waits until all have seen it.
        ENTRY   time_calibration
        push    %rbx
        push    %rbp
        lea     stat(%rip), %rsi
        movl    $0, STAT_calibrate(%rsi)
        movl    $0, semaphore(%rip)
        mov     $1, %ebp                // CPUs, this one included
        xor     %ebx, %ebx
1:      inc     %ebx
        cmp     nr_cpus(%rip), %ebx
        jae     2f
        bt      %ebx, online(%rip)      // a string of bits
        jnc     1b
        mov     %ebx, %eax
        shl     $STAT_SHIFT, %eax
        movl    $1, STAT_called(%rsi,%rax)
        inc     %ebp
        jmp     1b
2:      mov     %ebp, total(%rip)
        xor     %ebx, %ebx
3:      inc     %ebx
        cmp     nr_cpus(%rip), %ebx
        jae     4f
        bt      %ebx, online(%rip)
        jnc     3b
        mov     $X2APIC_ICR, %ecx
        mov     $CALL_FUNCTION_VECTOR, %eax
        mov     %ebx, %edx
        wrmsr
        jmp     3b
4:      cli
        lea     -1(%rbp), %eax
        call    await
        rdtsc
        mov     %eax, stamp(%rip)
        mov     %edx, stamp+4(%rip)
        lock incl semaphore(%rip)
        lea     -1(%rbp,%rbp), %eax
        call    await
        call    time_calibration_rendezvous_tail
        sti
        pop     %rbp
        pop     %rbx
        ret
        END     time_calibration

// On every CPU but the first, interrupts off.
        ENTRY   time_calibration_std_rendezvous
        lock incl semaphore(%rip)
        mov     total(%rip), %eax
        call    await
        lock incl semaphore(%rip)
        END     time_calibration_std_rendezvous // falls through

// Nobody needs anything of the others any more: the other point where patches wait.
        ENTRY   time_calibration_rendezvous_tail
        mov     $GATE_RENDEZVOUS_TAIL, %eax
        vmcall
        ret
        END     time_calibration_rendezvous_tail

// Until the semaphore is at least eax.
        ENTRY   await
1:      cmp     %eax, semaphore(%rip)
        jae     2f
        pause
        jmp     1b
2:      ret
        END     await

// Filled by the machine at boot, read-only then.
        .section .params, "a", @progbits
        .p2align 3
        .globl  pv_hypercall, hypercall_table, hypercall_slots, nr_cpus, own_table
pv_hypercall:                           // the image's dispatcher: void (struct cpu_user_regs *), 0 none
        .quad   0
hypercall_table:                        // the image's table, else own_table
        .quad   0
hypercall_slots:
        .quad   0
nr_cpus:
        .quad   0
own_table:                              // do_<name> of each number, 0 where the image has none
        .fill   64, 8, 0

// Written by the code above: one page, and one with 16 bytes for each of 256 CPUs.
        .bss
        .globl  shared, online, stat
shared:
semaphore:
        .skip   4
total:
        .skip   4
stamp:
        .skip   8
online:                                 // written by the machine: one bit for each CPU
        .skip   32
        .org    0x1000
stat:
        .skip   0x1000

        .section .note.GNU-stack, "", @progbits
