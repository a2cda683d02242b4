/* What a boot would run once: .init, gone afterwards. No patch may aim here. */
#include "xen.h"

static __initdata char init_banner[] = "mini-Xen starts";
static __initdata u32 init_calls;
u32 boot_count = 1;

static __init noinline u32 count_cpus(void)
{
    u32 n = 0;

    for (u32 cpu = 0; cpu < NR_CPUS; cpu++)
        n += cpumask_test(&cpu_online_map, cpu);
    return n;
}

__init void __attribute__((used)) start_xen(void)
{
    init_calls++;
    boot_count++;
    printk("%s on %u CPUs\n", init_banner, count_cpus());
    flush_all_caches();
}
