/* Work for stacks to be looked at: a long loop, a deep chain, a fan of calls, a fault that recovers. */
#include "xen.h"

u64 arch_long_loop(u64 iterations);
u64 arch_deep_call(u64 depth);
u64 shadow_index(u32 level, u32 index);
u64 endbr_apply(u64 op, u64 a, u64 b);
u64 tiny_3(u64), tiny_4(u64), tiny_5(u64), tiny_6(u64), tiny_7(u64), tiny_8(u64), tiny_9(u64);
void tiny_1(void), tiny_2(void);

long do_loop(u64 iterations)
{
    return arch_long_loop(iterations) & 0x7fffffff;
}

long do_deep(u64 depth)
{
    return depth > 400 ? -EINVAL : (long)(arch_deep_call(depth) & 0x7fffffff);
}

/* Something that an author would shorten in place: gcc keeps the branch and both results. */
noinline u64 clamp_request(u64 v)
{
    if (v > 1000)
        return 1000;
    return v;
}

/* A check that is too strict: nop out its three instructions and every value passes. */
noinline long check_even(u64 v)
{
    if (v & 1)
        return -EINVAL;
    return v / 2 + 7;
}

/* Calls many others, each result weighed so that any of them, patched, changes the sum. */
long do_fanout(u64 v)
{
    u64 sum = 0;

    tiny_1();
    tiny_2();
    sum += tiny_3(v) + 3 * tiny_4(v) + 5 * tiny_5(v) + 7 * tiny_6(v);
    sum += 11 * (tiny_7(v) & 0xff) + 13 * tiny_8(v) + 17 * tiny_9(v);
    sum += 19 * shadow_index(1, v) + 23 * shadow_index(2, v) + 29 * shadow_index(3, v);
    sum += 31 * endbr_apply(0, v, 1) + 37 * endbr_apply(1, v, 2);
    sum += 41 * clamp_request(v);
    return sum + 43 * check_even(v & ~1UL);
}

/* Reads 8 bytes at any address; -EFAULT through the exception table where there is nothing. */
long do_probe(u64 va)
{
    u64 value;

    if (!current->domain->is_privileged)
        return -EPERM;
    return safe_read_u64(va, &value) ? -EFAULT : (long)(value & 0x7fffffffffffffff);
}
