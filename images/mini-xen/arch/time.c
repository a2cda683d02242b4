/*
 * The timer, and the RFC's time rendezvous: do_softirq -> timer_softirq_action -> time_calibration ->
 * on_selected_cpus, which brings every CPU to one barrier. Its tail is one of the RFC's two candidates
 * for a patch point ("Rendezvous code instead of stop_machine").
 */
#include "xen.h"

static struct {
    cpumask_t map;
    u32 total;
    volatile u32 semaphore;
    volatile u64 master_stamp;
} calibration;

u32 timer_calibration_ticks = 1; /* CPU 0's ticks from one rendezvous to the next */

void smp_apic_timer_interrupt(struct cpu_user_regs *regs)
{
    ack_APIC();
    cpu_stat[smp_processor_id()].timer_count++;
    raise_softirq(TIMER_SOFTIRQ);
}

/* Every CPU has the stamp and none needs anything of the others any more. */
static noinline void time_calibration_rendezvous_tail(void)
{
    cpu_stat[smp_processor_id()].stamp = calibration.master_stamp;
    gate(GATE_RENDEZVOUS_TAIL, 0);
}

/* The master waits for all, stamps the time, lets them go, and waits until all have gone. */
static void time_calibration_std_rendezvous(void *info)
{
    u32 total = calibration.total;

    if (smp_processor_id() == 0) {
        while (calibration.semaphore != total - 1)
            cpu_relax();
        calibration.master_stamp = rdtsc();
        __atomic_fetch_add(&calibration.semaphore, 1, __ATOMIC_ACQ_REL);
        while (calibration.semaphore != 2 * total - 1)
            cpu_relax();
    } else {
        __atomic_fetch_add(&calibration.semaphore, 1, __ATOMIC_ACQ_REL);
        while (calibration.semaphore < total)
            cpu_relax();
        __atomic_fetch_add(&calibration.semaphore, 1, __ATOMIC_ACQ_REL);
    }
    time_calibration_rendezvous_tail();
}

static noinline void time_calibration(void)
{
    u32 total = 0;

    calibration.map = cpu_online_map;
    for (u32 i = 0; i < ARRAY_SIZE(calibration.map.bits); i++)
        for (u64 bits = calibration.map.bits[i]; bits; bits &= bits - 1)
            total++;
    if (!cpumask_test(&calibration.map, 0))
        return;
    calibration.total = total;
    calibration.semaphore = 0;
    on_selected_cpus(&calibration.map, time_calibration_std_rendezvous, NULL);
}

void timer_softirq_action(void)
{
    struct cpu_stat *stat = &cpu_stat[smp_processor_id()];

    if (stat->timer_deadline && rdtsc() >= stat->timer_deadline) {
        stat->timer_deadline = 0;
        raise_softirq(EVENT_SOFTIRQ);
    }
    if (smp_processor_id() == 0 && stat->timer_count % timer_calibration_ticks == 0)
        time_calibration();
}

/* A guest's one-shot timer, absolute time in TSC units; 0 stops it. */
long do_set_timer_op(u64 timeout)
{
    cpu_stat[smp_processor_id()].timer_deadline = timeout;
    return 0;
}
