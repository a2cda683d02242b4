/* Event channels, as far as a guest can raise and count its own. Its backlog() is not timer's. */
#include "xen.h"

static u32 event_pending[NR_CPUS];
static u32 event_total;

static noinline u64 backlog(u32 cpu)
{
    return event_pending[cpu];
}

void event_softirq_action(void)
{
    event_pending[smp_processor_id()] = 0;
    __atomic_fetch_add(&event_total, 1, __ATOMIC_RELAXED);
}

/* send 4 raises, status 5 tells what waits, others do not exist here */
long do_event_channel_op(u32 cmd, u64 arg)
{
    u32 cpu = smp_processor_id();

    switch (cmd) {
    case 4:
        event_pending[cpu]++;
        raise_softirq(EVENT_SOFTIRQ);
        return 0;
    case 5:
        return backlog(cpu);
    case 6:
        return event_total;
    }
    return -ENOSYS;
}
