/*
 * mini-Xen: types and the few structures that the machine and this image share (README.md, "Contract").
 *
 * Everything is hidden: the image is linked once at fixed addresses above 2^63, which no 32-bit
 * absolute address reaches, so that all code is position-independent without a GOT.
 */
#ifndef MINI_XEN_H
#define MINI_XEN_H

#pragma GCC visibility push(hidden)

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef int s32;
typedef long s64;
typedef unsigned long size_t;
typedef _Bool bool;

#define NULL ((void *)0)
#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))
#define noinline __attribute__((noinline, noclone, noipa))
#define __init __attribute__((section(".init.text"), cold))
#define __initdata __attribute__((section(".init.data")))
#define __packed __attribute__((packed))
#define barrier() __asm__ volatile("" ::: "memory")

/* errno, as a hypercall returns them (negated) */
#define EPERM 1
#define ENOENT 2
#define EACCES 13
#define EFAULT 14
#define EINVAL 22
#define ESRCH 3
#define ENOSYS 38
#define ENODATA 61
#define ENOBUFS 105

#define NR_CPUS 256
#define NR_HYPERCALLS 64
#define STACK_SIZE 0x8000UL
#define PAGE_SIZE 4096UL
#define GUEST_TOP 0x0000800000000000UL
#define HYPERVISOR_VIRT_START 0xffff800000000000UL

/* What an entry saves of the interrupted context: 200 bytes, Xen's order. */
struct cpu_user_regs {
    u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    u32 error_code, entry_vector;
    u64 rip, cs, rflags, rsp, ss;
    u64 es, ds, fs, gs;
};

struct domain {
    u16 domain_id;
    u16 pad0;
    u32 max_vcpus;
    u8 pad1[465 - 8];
    u8 is_privileged;
};

struct vcpu {
    s32 vcpu_id;
    s32 processor;
    void *vcpu_info;
    struct domain *domain;
};

/* Ends at the stack's top. The machine fills it; this image only reads it. */
struct cpu_info {
    struct cpu_user_regs guest_cpu_user_regs;
    u32 processor_id;
    u32 verw_sel;
    struct vcpu *current_vcpu;
    u64 per_cpu_offset;
    u64 reserved[5];
};
_Static_assert(sizeof(struct cpu_user_regs) == 200, "cpu_user_regs");
_Static_assert(sizeof(struct cpu_info) == 264, "cpu_info");
_Static_assert(__builtin_offsetof(struct domain, is_privileged) == 465, "domain");

static inline struct cpu_info *get_cpu_info(void)
{
    u64 top;

    __asm__("mov %%rsp,%0\n\tor $0x7fff,%0" : "=r"(top));
    return (struct cpu_info *)(top + 1) - 1;
}

#define current (get_cpu_info()->current_vcpu)
#define smp_processor_id() (get_cpu_info()->processor_id)

static inline u64 rdtsc(void)
{
    u32 lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return lo | ((u64)hi << 32);
}

static inline void wrmsr(u32 msr, u32 lo, u32 hi)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"(lo), "d"(hi) : "memory");
}

static inline void cpu_relax(void) { __asm__ volatile("pause" ::: "memory"); }
static inline void local_irq_enable(void) { __asm__ volatile("sti" ::: "memory"); }
static inline void local_irq_disable(void) { __asm__ volatile("cli" ::: "memory"); }
static inline void safe_halt(void) { __asm__ volatile("sti\n\thlt" ::: "memory"); }

static inline u64 local_irq_save(void)
{
    u64 flags;

    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void local_irq_restore(u64 flags)
{
    if (flags & 0x200)
        local_irq_enable();
}

/* Gates to the machine (README.md): vmcall with the number in eax. */
#define GATE_SYSCTL 1
#define GATE_GUEST_ENTRY 2
#define GATE_RENDEZVOUS_TAIL 3

static inline long gate(u32 nr, u64 arg)
{
    long rc;

    __asm__ volatile("vmcall" : "=a"(rc) : "a"((u64)nr), "D"(arg) : "memory");
    return rc;
}

/* Per-CPU state, one cache line each. */
struct cpu_stat {
    u32 softirq_pending; /* offset 0: entry.S looks at it */
    u32 nmi_count;
    u32 timer_count;
    u32 call_count;
    u64 stamp;   /* TSC at the last time rendezvous */
    u64 timer_deadline;
    u64 debugreg[4];
};
_Static_assert(sizeof(struct cpu_stat) == 64, "entry.S shifts by 6");
extern struct cpu_stat cpu_stat[NR_CPUS];

typedef struct {
    u64 bits[NR_CPUS / 64];
} cpumask_t;
extern cpumask_t cpu_online_map; /* written by the machine */

static inline bool cpumask_test(const cpumask_t *m, u32 cpu)
{
    return (m->bits[cpu / 64] >> (cpu % 64)) & 1;
}

/* Softirqs, lowest first. */
enum { TIMER_SOFTIRQ, EVENT_SOFTIRQ, ACCOUNT_SOFTIRQ, NR_SOFTIRQS };
void raise_softirq(u32 nr);
void do_softirq(void);

typedef struct {
    volatile u32 locked;
} spinlock_t;
void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);

/* Inter-processor interrupts. */
#define EVENT_CHECK_VECTOR 0xfc
#define CALL_FUNCTION_VECTOR 0xfb
#define LOCAL_TIMER_VECTOR 0xfa
void send_IPI(u32 cpu, u32 vector);
void ack_APIC(void);
void on_selected_cpus(const cpumask_t *mask, void (*func)(void *), void *info);
void flush_all_caches(void);

/* Guest memory: the number of bytes that could not be copied. */
u64 copy_to_guest(u64 guest, const void *from, u64 bytes);
u64 copy_from_guest(void *to, u64 guest, u64 bytes);
long safe_read_u64(u64 va, u64 *value);

/* lib */
void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strlcpy(char *dst, const char *src, size_t size);
void printk(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void console_putc(char c);

/* version.c */
u32 xen_major_version(void);
u32 xen_minor_version(void);
const char *xen_extra_version(void);
const char *xen_compiler(void);
const char *xen_compile_by(void);
const char *xen_compile_domain(void);
const char *xen_compile_date(void);
const char *xen_changeset(void);
const char *xen_capabilities(void);
const char *xen_commandline(void);

typedef long hypercall_fn(u64, u64, u64, u64, u64, u64);
extern hypercall_fn *const hypercall_table[NR_HYPERCALLS];
extern hypercall_fn *const compat_hypercall_table[NR_HYPERCALLS];
extern hypercall_fn *const hvm_hypercall64_table[NR_HYPERCALLS];

long arch_do_domctl(void *op, struct domain *d, u64 u_domctl);

#endif
