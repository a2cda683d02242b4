/*
 * tmem_op: authenticates a pool by a key. It expands a secret into a key schedule on the stack and
 * leaves it there: what XSA-125 then gives away to any guest that asks for the version.
 */
#include "xen.h"

static const char master_secret[17] = "tmem master key.";

static noinline void expand_key(u64 *schedule, u32 words, u64 seed)
{
    u64 k[2];

    memcpy(k, master_secret, sizeof(k));
    for (u32 i = 0; i < words; i += 4) {
        seed = seed * 0x9e3779b97f4a7c15UL + k[i / 4 % 2];
        schedule[i] = k[0];
        schedule[i + 1] = k[1];
        schedule[i + 2] = seed | 0x0101010101010101UL;
        schedule[i + 3] = (u64)current; /* which vcpu the round key belongs to */
    }
}

/* cmd 0: a tag over the guest's 16-byte pool name (or none, if the pointer is 0) */
long do_tmem_op(u32 cmd, u64 name)
{
    u64 schedule[192];
    u64 pool[2] = { 0, 0 };
    u64 tag = 0x6a09e667f3bcc908UL;

    if (cmd != 0)
        return -ENOSYS;
    if (name && copy_from_guest(pool, name, sizeof(pool)))
        return -EFAULT;
    expand_key(schedule, ARRAY_SIZE(schedule), pool[0] ^ pool[1]);
    for (u32 i = 0; i < ARRAY_SIZE(schedule); i++) {
        u64 word = (i & 3) == 3 ? 0 : schedule[i];

        tag = ((tag << 7 | tag >> 57) ^ word) * 0x100000001b3UL;
    }
    return tag & 0x7fffffff;
}
