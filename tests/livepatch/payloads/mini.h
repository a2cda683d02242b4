/* What the payloads for mini-Xen share: records that name their target, and mini-Xen's data. */
#ifndef MINI_H
#define MINI_H
#include "../../oracle/src/xsp.h"

/* Everything is linked into one place: no GOT. */
#pragma GCC visibility push(hidden)

/* One record that replaces `name`, which has `size` bytes, by fn. */
#define MINI_REPLACE(name, size, fn)                                         \
    static const char mini_name_##fn[] = #name;                              \
    static const struct xsp_record mini_rec_##fn XSP_RECORDS = {             \
        .target_name = mini_name_##fn, .replacement = fn,                    \
        .replacement_len = 16, .target_len = (size), .version = 2 }

extern u32 boot_count;
/* 16 words for each of 256 CPUs, of which only a few are there. */
extern volatile u64 cpu_stat[2048];
#define SPARE_WORD cpu_stat[2047]
#endif
