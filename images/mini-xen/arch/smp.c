/* Inter-processor interrupts: sending them, and running a function on other CPUs. */
#include "xen.h"

#define MSR_X2APIC_EOI 0x80b
#define MSR_X2APIC_ICR 0x830

void send_IPI(u32 cpu, u32 vector)
{
    wrmsr(MSR_X2APIC_ICR, vector, cpu);
}

void ack_APIC(void)
{
    wrmsr(MSR_X2APIC_EOI, 0, 0);
}

void spin_lock(spinlock_t *lock)
{
    while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE))
        while (lock->locked)
            cpu_relax();
}

void spin_unlock(spinlock_t *lock)
{
    __atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

static spinlock_t call_lock;
static struct {
    void (*func)(void *);
    void *info;
    u32 waiting; /* CPUs that have not finished it */
} call_data;

/*
 * Runs func on every CPU of the mask, this one included, with interrupts off, and waits until all are
 * done. Interrupts must be on, or two callers would deadlock.
 */
void on_selected_cpus(const cpumask_t *mask, void (*func)(void *), void *info)
{
    u32 self = smp_processor_id(), others = 0;
    u64 flags;

    spin_lock(&call_lock);
    for (u32 cpu = 0; cpu < NR_CPUS; cpu++)
        others += cpu != self && cpumask_test(mask, cpu);
    call_data.func = func;
    call_data.info = info;
    __atomic_store_n(&call_data.waiting, others, __ATOMIC_RELEASE);
    for (u32 cpu = 0; cpu < NR_CPUS; cpu++)
        if (cpu != self && cpumask_test(mask, cpu))
            send_IPI(cpu, CALL_FUNCTION_VECTOR);
    if (cpumask_test(mask, self)) {
        flags = local_irq_save();
        func(info);
        local_irq_restore(flags);
    }
    while (__atomic_load_n(&call_data.waiting, __ATOMIC_ACQUIRE))
        cpu_relax();
    spin_unlock(&call_lock);
}

void smp_call_function_interrupt(struct cpu_user_regs *regs)
{
    ack_APIC();
    cpu_stat[smp_processor_id()].call_count++;
    if (!__atomic_load_n(&call_data.waiting, __ATOMIC_ACQUIRE))
        return; /* nobody called: an IPI of the machine's own */
    call_data.func(call_data.info);
    __atomic_fetch_sub(&call_data.waiting, 1, __ATOMIC_ACQ_REL);
}

/* Nothing to do: that the CPU has entered the hypervisor is the point. */
void smp_event_check_interrupt(struct cpu_user_regs *regs)
{
    ack_APIC();
}

void do_nmi(struct cpu_user_regs *regs)
{
    cpu_stat[smp_processor_id()].nmi_count++;
}
