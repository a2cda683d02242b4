/* Compiled with -fcf-protection=branch: every function that can be called indirectly begins ENDBR64. */
#include "xen.h"

static u64 endbr_add(u64 a, u64 b)
{
    return a + b;
}

static u64 endbr_mul(u64 a, u64 b)
{
    return a * b;
}

u64 (*const endbr_ops[2])(u64, u64) = { endbr_add, endbr_mul };

u64 endbr_apply(u64 op, u64 a, u64 b)
{
    return op < ARRAY_SIZE(endbr_ops) ? endbr_ops[op](a, b) : ~0UL;
}
