// What guests execute (boot --workload): loops of hypercalls, mapped in every domain. A guest's rbx
// points to a page of its own, rbp is the number of its CPU, r12 counts its rounds and r13 sums up what
// it was answered.
        .file   "guests.S"

        .macro  PROGRAM name
        .balign 16, 0xcc
        .globl  \name
        .type   \name, @function
\name:
        .endm

        .macro  HYPERCALL nr            // arguments are in place
        mov     $\nr, %eax
        syscall
        .endm

#define VM_ASSIST 21
#define MEMORY_OP 12
#define MULTICALL 13
#define XEN_VERSION 17
#define VCPU_OP 24
#define SCHED_OP 29
#define EVENT_CHANNEL_OP 32
#define DOMCTL 36
#define DEEP 51
#define FANOUT 52
#define ACCOUNT 53

        .text
// --- for mini-Xen and whoever has its hypercalls --------------------------------------------------

// A hypercall storm: xen_version, fanout, account, an event, the command line, yield.
        PROGRAM storm
        mov     $XEN_VERSION, %eax
        xor     %edi, %edi
        xor     %esi, %esi
        syscall
        add     %rax, %r13
        mov     $FANOUT, %eax
        movzbl  %r12b, %edi
        syscall
        add     %rax, %r13
        mov     $ACCOUNT, %eax
        mov     $7, %edi
        syscall
        add     %rax, %r13
        mov     $EVENT_CHANNEL_OP, %eax
        mov     $4, %edi
        xor     %esi, %esi
        syscall
        mov     $XEN_VERSION, %eax
        mov     $9, %edi
        mov     %rbx, %rsi
        syscall
        add     (%rbx), %r13
        mov     $SCHED_OP, %eax
        xor     %edi, %edi
        xor     %esi, %esi
        syscall
        inc     %r12
        jmp     storm

// Domctls of dom0, one of which computes for long.
        PROGRAM domctl
        movl    $2000, (%rbx)
        movl    $0xb, 4(%rbx)
        movl    $0x7ff0, 8(%rbx)
        movl    $5000, 16(%rbx)
        movl    $0, 20(%rbx)
        mov     $DOMCTL, %eax
        mov     %rbx, %rdi
        syscall
        add     24(%rbx), %r13
        movl    $43, (%rbx)
        movl    $0, 16(%rbx)
        mov     $DOMCTL, %eax
        mov     %rbx, %rdi
        syscall
        add     %rax, %r13
        movl    $5, (%rbx)
        mov     $DOMCTL, %eax
        mov     %rbx, %rdi
        syscall
        add     %rax, %r13
        inc     %r12
        jmp     domctl

// Deep call chains: 100 to 355 frames.
        PROGRAM deep
        mov     $DEEP, %eax
        movzbl  %r12b, %edi
        add     $100, %edi
        syscall
        add     %rax, %r13
        inc     %r12
        jmp     deep

// --- for every image ------------------------------------------------------------------------------

// Hostile: never enters the hypervisor by itself.
        PROGRAM spin
        inc     %r12
        jmp     spin

// Sleeps in the hypervisor until something happens.
        PROGRAM block
        mov     $SCHED_OP, %eax
        mov     $1, %edi
        xor     %esi, %esi
        syscall
        inc     %r12
        jmp     block

// --- for Xen, of whatever version: what needs no state that only booting makes ---------------------

// A hypercall storm: version, extra version, features, page size, command line, an assist, the largest
// page, a CPU, yield.
        PROGRAM xen_storm
        xor     %edi, %edi
        xor     %esi, %esi
        HYPERCALL XEN_VERSION
        add     %rax, %r13
        mov     $1, %edi
        mov     %rbx, %rsi              // stays there, for whoever looks
        HYPERCALL XEN_VERSION
        add     (%rbx), %r13
        mov     $6, %edi
        lea     0x100(%rbx), %rsi
        HYPERCALL XEN_VERSION
        add     0x100(%rbx), %r13
        mov     $7, %edi
        xor     %esi, %esi
        HYPERCALL XEN_VERSION
        add     %rax, %r13
        mov     $9, %edi
        lea     0x400(%rbx), %rsi
        HYPERCALL XEN_VERSION
        add     0x400(%rbx), %r13
        xor     %edi, %edi
        mov     $4, %esi
        HYPERCALL VM_ASSIST
        add     %rax, %r13
        mov     $2, %edi
        xor     %esi, %esi
        HYPERCALL MEMORY_OP
        add     %rax, %r13
        mov     $3, %edi
        mov     %ebp, %esi
        xor     %edx, %edx
        HYPERCALL VCPU_OP
        add     %rax, %r13
        xor     %edi, %edi
        xor     %esi, %esi
        HYPERCALL SCHED_OP
        inc     %r12
        jmp     xen_storm

// What takes long in dom0: a multicall of 32 calls, preemptible between them, and a domctl.
        PROGRAM xen_domctl
        mov     %rbx, %rdi
        mov     $32, %ecx
1:      movq    $XEN_VERSION, (%rdi)
        movq    $2, 16(%rdi)
        lea     0xc00(%rbx), %rax
        mov     %rax, 24(%rdi)
        add     $64, %rdi
        dec     %ecx
        jnz     1b
        mov     %rbx, %rdi
        mov     $32, %esi
        HYPERCALL MULTICALL
        add     %rax, %r13
        add     0xc00(%rbx), %r13
        movl    $5, 0xe00(%rbx)         // getdomaininfo
        movl    $0x15, 0xe04(%rbx)
        movl    $0, 0xe08(%rbx)
        lea     0xe00(%rbx), %rdi
        HYPERCALL DOMCTL
        add     %rax, %r13
        inc     %r12
        jmp     xen_domctl

// --- for the host -----------------------------------------------------------------------------------

// A hypercall that the host begins for a domain (hv/begun.ts): its registers are in place.
        PROGRAM toolstack
        syscall

        .section .note.GNU-stack, "", @progbits
