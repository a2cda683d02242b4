/* A payload's own build-id, by which others stand on it (R198). `ld -r --build-id` would do as well. */
#define OWN_BUILD_ID(bytes)                                            \
    __asm__(".pushsection .note.gnu.build-id, \"a\", @note\n"          \
            "\t.p2align 2\n\t.long 4, 20, 3\n\t.asciz \"GNU\"\n"       \
            "\t.byte " bytes "\n.popsection")
