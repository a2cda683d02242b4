// Copies between hypervisor and guest memory. A guest's addresses are the lower half; a fault on one is
// found in the exception table, and the bytes that are left are returned instead of dying.
        .file   "usercopy.S"

        .macro  EX_ENTRY from, to
        .section __ex_table, "a", @progbits
        .p2align 2
        .long   \from - .
        .long   \to - .
        .previous
        .endm

        .macro  COPY name, guest
        .section .text.\name, "ax", @progbits
        .p2align 4
        .globl  \name
        .hidden \name
        .type   \name, @function
\name:  mov     %rdx, %rax
        mov     $0x800000000000, %r8
        mov     \guest, %r9
        add     %rdx, %r9
        jc      4f                      // wraps
        cmp     %r8, %r9
        ja      4f                      // not the lower half
        cmp     $16, %rdx
        jb      2f
        mov     %edi, %ecx
        or      %esi, %ecx
        test    $7, %cl
        jnz     2f
        mov     %rdx, %rcx
        shr     $3, %rcx
        and     $7, %edx
1:      rep movsq
2:      mov     %rdx, %rcx
3:      rep movsb
        xor     %eax, %eax
4:      ret
5:      lea     (%rdx,%rcx,8), %rax     // movsq faulted: whole words and the rest are left
        ret
6:      mov     %rcx, %rax
        ret
        .size   \name, . - \name
        EX_ENTRY 1b, 5b
        EX_ENTRY 3b, 6b
        .endm

        COPY    copy_to_guest, %rdi
        COPY    copy_from_guest, %rsi

// long safe_read_u64(u64 va, u64 *value): any address at all; 0 or -EFAULT.
        .section .text.safe_read_u64, "ax", @progbits
        .p2align 4
        .globl  safe_read_u64
        .hidden safe_read_u64
        .type   safe_read_u64, @function
safe_read_u64:
1:      mov     (%rdi), %rax
        mov     %rax, (%rsi)
        xor     %eax, %eax
        ret
2:      mov     $-14, %rax
        ret
        .size   safe_read_u64, . - safe_read_u64
        EX_ENTRY 1b, 2b

        .section .note.GNU-stack, "", @progbits
