// Functions of 1 to 9 bytes: which of them have room for a trampoline (5 bytes, padding included)?
// tiny_N is N bytes long. The odd ones stand in 16-byte slots, padded; the even ones are packed.
        .file   "tiny.S"

        .macro  TINY name, bytes:vararg
        .globl  \name
        .hidden \name
        .type   \name, @function
\name:  .byte   \bytes
        .size   \name, . - \name
        .endm

        .section .text.tiny.slots, "ax", @progbits
        .p2align 4
        TINY    tiny_1, 0xc3                                    // ret
        .p2align 4, 0x90
        TINY    tiny_3, 0x89, 0xf8, 0xc3                        // mov %edi,%eax; ret
        .p2align 4, 0x90
        TINY    tiny_5, 0x48, 0x8d, 0x47, 0x05, 0xc3            // lea 5(%rdi),%rax; ret
        .p2align 4, 0x90
        TINY    tiny_7, 0x48, 0x89, 0xf8, 0x48, 0xf7, 0xd0, 0xc3 // mov %rdi,%rax; not %rax; ret
        .p2align 4, 0x90
        TINY    tiny_9, 0x48, 0x8d, 0x87, 0x09, 0, 0, 0, 0x90, 0xc3 // lea 9(%rdi),%rax; nop; ret
        .p2align 4, 0x90

        .section .text.tiny.packed, "ax", @progbits
        TINY    tiny_2, 0xf3, 0xc3                              // repz ret
        TINY    tiny_4, 0x48, 0x89, 0xf8, 0xc3                  // mov %rdi,%rax; ret
        TINY    tiny_6, 0xb8, 0x06, 0, 0, 0, 0xc3               // mov $6,%eax; ret
        TINY    tiny_8, 0x48, 0x8d, 0x87, 0x08, 0, 0, 0, 0xc3   // lea 8(%rdi),%rax; ret

        .section .note.GNU-stack, "", @progbits
