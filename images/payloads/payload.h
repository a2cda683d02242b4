/*
 * What every sample payload begins with. The recipe compiles each source twice: the second time,
 * SIZE_OF(x) is the size that function or object x had the first time. image.h is made from mini-xen's
 * own symbol table and disassembly, as an author would from xen-syms: BUILD_ID, ADDR_x, OLD_SIZE_x,
 * and the places that the recipe looks up (SITES_x and others).
 */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include "xsplice.h"
#include "xen.h"
#include "image.h"
#include "sizes.h"

#define DEFINE_SYMBOL(id, symbol, where) \
    XSPLICE_SYMBOLS static struct xsplice_symbol id = { .name = symbol, .label = symbol where }
#define DEFINE_HOWTO(id, ...) \
    XSPLICE_HOWTOS static struct xsplice_reloc_howto id = __VA_ARGS__

/* reloc, section and patch of a function replaced at its entry */
#define TRAMPOLINE_RELOC(fn, sym, how) \
    { .addr = ADDR_##fn, .symbol = &sym, .howto = &how, .isns_added = -4 }
#define OBJECT_SECTION(obj, sym, flags_) \
    { .symbol = &sym, .address = ADDR_##obj, .size = OLD_SIZE_##obj, .flags = (flags_) }
#define TRAMPOLINE_PATCH(new_fn) \
    { .type = XSPLICE_PATCH_RELOC_TEXT, .size = SIZE_OF(new_fn), .content = (void *)new_fn }

/* reloc and patch of bytes in place */
#define BYTES_RELOC(obj, sym, at, how) \
    { .addr = ADDR_##obj + (at), .symbol = &sym, .isns_target = (at), .howto = &how }
#define BYTES_PATCH(type_, at, bytes, count) \
    { .type = (type_), .size = (count), .addr = (at), .content = (void *)(bytes) }

/* reloc and patch of one field of an object that shall refer to `thing` */
#define FIELD_RELOC(obj, sym, at, added, how) \
    { .addr = ADDR_##obj + (at), .symbol = &sym, .isns_target = (at), .howto = &how, \
      .isns_added = (added) }
#define FIELD_PATCH(type_, obj, at, thing) \
    { .type = (type_), .size = SIZE_OF(thing), .addr = ADDR_##obj + (at), .content = (void *)(thing) }

#endif
