/* One function with many callers: five calls and a tail jump. Patching callers means all of these. */
#include "xen.h"

noinline u64 account_tick(u64 ticks)
{
    return ticks + 1;
}

static noinline u64 account_boot(u64 v)
{
    return account_tick(v) * 2;
}

static noinline u64 account_idle(u64 v)
{
    return account_tick(v ^ 3) + account_tick(v + 10);
}

static noinline u64 account_guest(u64 v)
{
    u64 sum = 0;

    for (u32 i = 0; i < 3; i++)
        sum += account_tick(v + i);
    return sum;
}

static noinline u64 account_irq(u64 v)
{
    return v & 1 ? account_tick(v) - 5 : v;
}

noinline u64 account_last(u64 v)
{
    return account_tick(v + 1000); /* jmp */
}

long do_account(u64 v)
{
    return account_boot(v) + account_idle(v) + account_guest(v) + account_irq(v | 1) +
           account_last(v);
}
