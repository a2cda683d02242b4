/* Work that an interrupt leaves for later, and the loop of a CPU that has no guest to run. */
#include "xen.h"

void timer_softirq_action(void);
void event_softirq_action(void);
void account_softirq_action(void);

struct cpu_stat cpu_stat[NR_CPUS] __attribute__((aligned(64)));
cpumask_t cpu_online_map;

static void (*const softirq_handlers[NR_SOFTIRQS])(void) = {
    [TIMER_SOFTIRQ] = timer_softirq_action,
    [EVENT_SOFTIRQ] = event_softirq_action,
    [ACCOUNT_SOFTIRQ] = account_softirq_action,
};

void raise_softirq(u32 nr)
{
    __atomic_fetch_or(&cpu_stat[smp_processor_id()].softirq_pending, 1u << nr, __ATOMIC_SEQ_CST);
}

void do_softirq(void)
{
    u32 *pending = &cpu_stat[smp_processor_id()].softirq_pending;
    u32 bits;

    while ((bits = __atomic_load_n(pending, __ATOMIC_ACQUIRE)) != 0) {
        u32 nr = __builtin_ctz(bits);

        __atomic_fetch_and(pending, ~(1u << nr), __ATOMIC_SEQ_CST);
        if (nr < NR_SOFTIRQS)
            softirq_handlers[nr]();
    }
}

/* Entered by the machine with an empty stack. Idle is a patch point like the way into a guest. */
void __attribute__((noreturn)) idle_loop(void)
{
    for (;;) {
        do_softirq();
        local_irq_disable();
        gate(GATE_GUEST_ENTRY, 1);
        if (cpu_stat[smp_processor_id()].softirq_pending)
            local_irq_enable();
        else
            safe_halt();
    }
}
