/*
 * xsplice.h: the payload author's header.
 *
 * A payload is an ELF relocatable object (gcc -c) that carries the structures below. The hypervisor
 * finds one of them by name, `struct xsplice` in the section ".xsplice" (exactly 72 bytes, one root),
 * and everything else by following pointers, which the ELF relocations fill in when it is loaded.
 * Layouts are what gcc makes of them on x86-64, not packed (requirement K1); the assertions at the
 * end hold them. All pads must be zero. Spec: xSplice RFC v3.1, section "Design of payload format".
 *
 * Compile with
 *
 *   gcc -O2 -c -ffreestanding -fpie -fvisibility=hidden -mno-red-zone -mgeneral-regs-only \
 *       -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
 *       -ffunction-sections -fdata-sections -I include -o fix.xsplice fix.c
 *
 * The loader knows the relocations R_X86_64_NONE, 64, PC32, PLT32, 32, 32S and PC64; there is no GOT.
 * gcc takes an undefined *variable* through the GOT unless it is declared hidden, and -fvisibility
 * does not reach declarations: declare image symbols XSPLICE_IMAGE (or between XSPLICE_IMAGE_BEGIN
 * and XSPLICE_IMAGE_END). -mno-red-zone is not optional: interrupts use the same stack.
 *
 * What a patch means. Patch, reloc and section with the same index belong together.
 *
 *   RELOC_TEXT     howto RELOC_PATCH. `content` is the new function, `size` its bytes, `addr` 0.
 *                  reloc.addr is the start of the old function, reloc.symbol + isns_target the same
 *                  place. The hypervisor writes e9 there and at the following four bytes
 *                  content + isns_added - (reloc.addr + 1); isns_added is -4.
 *   INLINE_*       howto INLINE with a size of 1, 2, 4 or 8, and either
 *     mask == 0    bytes: `size` bytes of `content` replace those at patch.addr (an address, or an
 *                  offset from section.symbol). If they end inside an instruction of the old code,
 *                  its rest becomes NOPs. reloc says the same place, or just the symbol.
 *     mask != 0    one field: the howto.size bytes at reloc.addr (also = patch.addr, and also =
 *                  reloc.symbol + isns_target) get, under mask and r_shift, the value
 *                  content + isns_added [- reloc.addr if PC_REL]. So `content` is what the field
 *                  shall refer to: a new function, a new string. `size` is the size of that, and
 *                  many patches may share it: this is how callers, pointer tables, jump tables and
 *                  users of a string are moved.
 *   section        the object that is changed: symbol, address and size as the image has them, also if
 *                  only a part of it is patched. symbol may be NULL where the image has none (a merged
 *                  string, a jump table): then the address decides, and the reloc's symbol is NULL too.
 *   more relocs    behind the paired ones (n_relocs > n_patches): fields inside an inline patch's bytes
 *                  that refer to the hypervisor. howto INLINE with a mask, addr is the field where it
 *                  ends up, the value symbol + isns_target + isns_added [- addr if PC_REL].
 *   old            bytes that must be there: all of them (MATCH_EXACT, data), or instruction by
 *                  instruction, where a reference into the payload itself may differ and padding too.
 *                  What an earlier payload wrote allows an overlap with that one; what was beneath
 *                  makes this payload replace earlier ones if it covers every place of theirs.
 */
#ifndef XSPLICE_H
#define XSPLICE_H

#define XSPLICE_HOWTO_INLINE        0x1 /* replaces bytes, or one field, where they are */
#define XSPLICE_HOWTO_RELOC_PATCH   0x2 /* a trampoline */

#define XSPLICE_HOWTO_FLAG_PC_REL   0x1 /* value is relative to the field's own address */
#define XSPLICE_HOWTO_FLAG_SIGN     0x2 /* value is signed: decides the overflow rule */
#define XSPLICE_HOWOT_FLAG_SIGN     XSPLICE_HOWTO_FLAG_SIGN /* the RFC's spelling (K2) */

#define XSPLICE_PATCH_INLINE_TEXT   0x1
#define XSPLICE_PATCH_INLINE_DATA   0x2
#define XSPLICE_PATCH_RELOC_TEXT    0x3

/* Where the changed object lives: exactly one, except that STRING may accompany RODATA (K17). */
#define XSPLICE_SECTION_TEXT          0x00000001
#define XSPLICE_SECTION_RODATA        0x00000002
#define XSPLICE_SECTION_DATA          0x00000004
#define XSPLICE_SECTION_STRING        0x00000008
/* How it is changed and checked. */
#define XSPLICE_SECTION_TEXT_INLINE   0x00000200 /* inline in text: the patch is INLINE_TEXT */
#define XSPLICE_SECTION_MATCH_EXACT   0x00000400 /* old code: every byte, no relaxation */
#define XSPLICE_SECTION_NO_STACKCHECK 0x00000800 /* may be on a CPU's stack */

/* The RFC's limits. */
#define XSPLICE_NAME_MAX 40

#ifndef __ASSEMBLER__

#ifdef __STDC_HOSTED__
#if __STDC_HOSTED__
#include <sys/types.h>
#endif
#endif
#include <stddef.h>
#include <stdint.h>

/* The fields that the RFC spells isns_* are about an instruction: both names are one field (K9). */
#define XSPLICE_INSN_FIELD(width, suffix) \
    union {                               \
        width isns_##suffix;              \
        width insn_##suffix;              \
    }

struct xsplice_reloc_howto {
    uint32_t howto;   /* XSPLICE_HOWTO_* */
    uint32_t flag;    /* XSPLICE_HOWTO_FLAG_* */
    uint32_t size;    /* bytes of the field; 0 means 4 for a trampoline (K4) */
    uint32_t r_shift; /* the value is shifted right by this before it is stored */
    uint64_t mask;    /* the bits of the field that are replaced */
    uint8_t pad[8];
};

struct xsplice_symbol {
    const char *name;  /* as in the image's symbol table; "file.c#name" where that is not unique */
    const char *label; /* for people, unique: "do_xen_version+<0x0>" */
    uint8_t pad[16];
};

struct xsplice_patch {
    uint32_t type; /* XSPLICE_PATCH_* */
    uint32_t size; /* bytes of content */
    uint64_t addr; /* inline: address, or offset from the symbol's start (K12); else 0 */
    void *content;
    uint8_t pad[40];
};

struct xsplice_section {
    struct xsplice_symbol *symbol;
    uint64_t address; /* 0: found by symbol */
    uint32_t size;    /* must equal the symbol's size */
    uint32_t flags;   /* XSPLICE_SECTION_* */
    uint8_t pad[12];
};

struct xsplice_reloc {
    uint64_t addr; /* 0: symbol + isns_target */
    struct xsplice_symbol *symbol;
    XSPLICE_INSN_FIELD(int64_t, target); /* offset of the place from the symbol */
    struct xsplice_reloc_howto *howto;
    XSPLICE_INSN_FIELD(int64_t, added); /* -4 for a displacement that ends its instruction */
    uint8_t pad[24];
};

struct xsplice_code {
    struct xsplice_reloc *relocs;
    uint32_t n_relocs;
    struct xsplice_section *sections;
    uint32_t n_sections;
    struct xsplice_patch *patches;
    uint32_t n_patches;
    uint8_t pad[28];
};

struct xsplice {
    uint32_t version;         /* 0 */
    const char *name;         /* up to 40 characters */
    const char *id;           /* the hypervisor: build-id (raw or hex), or its version string (K6) */
    uint32_t id_size;         /* 0: id is a string */
    struct xsplice_code *new;
    struct xsplice_code *old; /* old code to compare with, or NULL; its relocs are not used */
    uint8_t pad[24];
};

/* ---- placing and naming ---- */

#define XSPLICE_SECTION_ATTR(name) __attribute__((section(name), used))
#define XSPLICE_ROOT     XSPLICE_SECTION_ATTR(".xsplice")
#define XSPLICE_CODE     XSPLICE_SECTION_ATTR(".xsplice.code")
#define XSPLICE_RELOCS   XSPLICE_SECTION_ATTR(".xsplice.relocs")
#define XSPLICE_SECTIONS XSPLICE_SECTION_ATTR(".xsplice.sections")
#define XSPLICE_PATCHES  XSPLICE_SECTION_ATTR(".xsplice.patches")
#define XSPLICE_SYMBOLS  XSPLICE_SECTION_ATTR(".xsplice.symbols")
#define XSPLICE_HOWTOS   XSPLICE_SECTION_ATTR(".xsplice.howtos")

/* Declarations of what the image provides. */
#define XSPLICE_IMAGE extern __attribute__((visibility("hidden")))
#define XSPLICE_IMAGE_BEGIN _Pragma("GCC visibility push(hidden)")
#define XSPLICE_IMAGE_END   _Pragma("GCC visibility pop")

/* ---- the howtos that x86-64 needs ---- */

#define XSPLICE_HOWTO_TRAMPOLINE                                     \
    { .howto = XSPLICE_HOWTO_RELOC_PATCH,                            \
      .flag = XSPLICE_HOWTO_FLAG_PC_REL | XSPLICE_HOWTO_FLAG_SIGN,   \
      .size = 4, .mask = 0xffffffff }
#define XSPLICE_HOWTO_BYTES                                          \
    { .howto = XSPLICE_HOWTO_INLINE, .size = 1, .mask = 0 }
#define XSPLICE_HOWTO_REL32                                          \
    { .howto = XSPLICE_HOWTO_INLINE,                                 \
      .flag = XSPLICE_HOWTO_FLAG_PC_REL | XSPLICE_HOWTO_FLAG_SIGN,   \
      .size = 4, .mask = 0xffffffff }
#define XSPLICE_HOWTO_ABS64                                          \
    { .howto = XSPLICE_HOWTO_INLINE, .size = 8, .mask = ~0ULL }

/* ---- whole payloads ---- */

/* The root and its code structure, for arrays called relocs[], sections[] and patches[]. */
#define XSPLICE_PAYLOAD(name_, id_, old_)                                          \
    XSPLICE_CODE struct xsplice_code xsplice_new = {                               \
        .relocs = relocs, .n_relocs = sizeof(relocs) / sizeof(relocs[0]),          \
        .sections = sections, .n_sections = sizeof(sections) / sizeof(sections[0]),\
        .patches = patches, .n_patches = sizeof(patches) / sizeof(patches[0]),     \
    };                                                                             \
    XSPLICE_ROOT struct xsplice xsplice_root = {                                   \
        .name = (name_), .id = (id_), .new = &xsplice_new, .old = (old_),          \
    }

/* One function by an entry trampoline: reloc, section and patch, for use inside the three arrays. */
#define XSPLICE_FUNCTION_RELOC(old_addr, sym) \
    { .addr = (old_addr), .symbol = &(sym), .howto = &xsplice_trampoline, .isns_added = -4 }
#define XSPLICE_FUNCTION_SECTION(old_addr, old_size, sym) \
    { .symbol = &(sym), .address = (old_addr), .size = (old_size), .flags = XSPLICE_SECTION_TEXT }
#define XSPLICE_FUNCTION_PATCH(new_fn, new_size) \
    { .type = XSPLICE_PATCH_RELOC_TEXT, .size = (new_size), .content = (void *)(new_fn) }

/*
 * A payload that replaces one function: everything but the new function itself. old_addr 0 finds it by
 * name. new_size bounds the new code for the stack check on revert; C cannot say a function's size,
 * so give a number or a symbol difference: see images/payloads/README.md for how ours are made.
 */
#define XSPLICE_REPLACE_FUNCTION(payload_name, build_id, fn_name, old_addr, old_size, new_fn, new_size) \
    XSPLICE_HOWTOS struct xsplice_reloc_howto xsplice_trampoline = XSPLICE_HOWTO_TRAMPOLINE;            \
    XSPLICE_SYMBOLS struct xsplice_symbol xsplice_symbol_0 = {                                          \
        .name = fn_name, .label = fn_name "+<0x0>",                                                     \
    };                                                                                                  \
    XSPLICE_RELOCS struct xsplice_reloc relocs[] = {                                                    \
        XSPLICE_FUNCTION_RELOC(old_addr, xsplice_symbol_0) };                                           \
    XSPLICE_SECTIONS struct xsplice_section sections[] = {                                              \
        XSPLICE_FUNCTION_SECTION(old_addr, old_size, xsplice_symbol_0) };                               \
    XSPLICE_PATCHES struct xsplice_patch patches[] = { XSPLICE_FUNCTION_PATCH(new_fn, new_size) };      \
    XSPLICE_PAYLOAD(payload_name, build_id, NULL)

/* ---- layout (K1): sizes and offsets as gcc -m64 has them ---- */

#define XSPLICE_AT(type, field, at) \
    _Static_assert(offsetof(struct type, field) == (at), #type "." #field)
#define XSPLICE_SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), "size of " #type)

XSPLICE_SIZE(xsplice, 72);
XSPLICE_SIZE(xsplice_code, 72);
XSPLICE_SIZE(xsplice_reloc, 64);
XSPLICE_SIZE(xsplice_section, 40);
XSPLICE_SIZE(xsplice_patch, 64);
XSPLICE_SIZE(xsplice_symbol, 32);
XSPLICE_SIZE(xsplice_reloc_howto, 32);

XSPLICE_AT(xsplice, name, 8);
XSPLICE_AT(xsplice, id, 16);
XSPLICE_AT(xsplice, id_size, 24);
XSPLICE_AT(xsplice, new, 32);
XSPLICE_AT(xsplice, old, 40);
XSPLICE_AT(xsplice, pad, 48);
XSPLICE_AT(xsplice_code, n_relocs, 8);
XSPLICE_AT(xsplice_code, sections, 16);
XSPLICE_AT(xsplice_code, n_sections, 24);
XSPLICE_AT(xsplice_code, patches, 32);
XSPLICE_AT(xsplice_code, n_patches, 40);
XSPLICE_AT(xsplice_code, pad, 44);
XSPLICE_AT(xsplice_reloc, symbol, 8);
XSPLICE_AT(xsplice_reloc, isns_target, 16);
XSPLICE_AT(xsplice_reloc, insn_target, 16);
XSPLICE_AT(xsplice_reloc, howto, 24);
XSPLICE_AT(xsplice_reloc, isns_added, 32);
XSPLICE_AT(xsplice_reloc, pad, 40);
XSPLICE_AT(xsplice_section, address, 8);
XSPLICE_AT(xsplice_section, size, 16);
XSPLICE_AT(xsplice_section, flags, 20);
XSPLICE_AT(xsplice_section, pad, 24);
XSPLICE_AT(xsplice_patch, size, 4);
XSPLICE_AT(xsplice_patch, addr, 8);
XSPLICE_AT(xsplice_patch, content, 16);
XSPLICE_AT(xsplice_patch, pad, 24);
XSPLICE_AT(xsplice_symbol, label, 8);
XSPLICE_AT(xsplice_symbol, pad, 16);
XSPLICE_AT(xsplice_reloc_howto, flag, 4);
XSPLICE_AT(xsplice_reloc_howto, size, 8);
XSPLICE_AT(xsplice_reloc_howto, r_shift, 12);
XSPLICE_AT(xsplice_reloc_howto, mask, 16);
XSPLICE_AT(xsplice_reloc_howto, pad, 24);

#endif /* !__ASSEMBLER__ */
#endif /* XSPLICE_H */
