/* sched_op: what a guest does when it has nothing to do. Its backlog() is not event.c's. */
#include "xen.h"

static u32 runs[NR_CPUS];

static noinline u64 backlog(u32 cpu)
{
    return runs[cpu] % 16;
}

void account_softirq_action(void)
{
    runs[smp_processor_id()]++;
}

/* yield 0, block 1: until an interrupt; shutdown 2 is for the machine to see in the console */
long do_sched_op(u32 cmd, u64 arg)
{
    switch (cmd) {
    case 0:
        raise_softirq(ACCOUNT_SOFTIRQ);
        return 0;
    case 1:
        safe_halt();
        return 0;
    case 2:
        printk("d%d shuts down, reason %d\n", current->domain->domain_id, (int)arg);
        return 0;
    case 100:
        return backlog(smp_processor_id());
    }
    return -ENOSYS;
}
