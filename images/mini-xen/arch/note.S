// What tells the machine that this image has entries made for it: an ELF note (gABI, ch. 5) with the
// version of the contract that README.md states.
        .file   "note.S"

        .section .note.xsplice, "a", @note
        .p2align 2
        .long   2f - 1f                 // n_namesz
        .long   4f - 3f                 // n_descsz
        .long   1                       // n_type: entries
1:      .asciz  "xsplice"
2:      .p2align 2
3:      .long   1                       // version
4:
        .section .note.GNU-stack, "", @progbits
