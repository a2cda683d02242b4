/* The architecture's domctls. Linked at the address of the RFC's arch_do_domctl (R209, R210). */
#include "domctl.h"

/* The bottom of this stack, as Xen of 2015 computed it: these are the bytes of R210. */
static inline struct cpu_info *stack_bottom(void)
{
    u64 base;

    __asm__ volatile("mov %%rsp,%%rax\n\tand $0xffffffffffff8000,%%rax" : "=a"(base));
    return (struct cpu_info *)(base + STACK_SIZE) - 1;
}

/* Not inlined: the budget-sized loop that a stack check finds in the middle of its work. */
noinline u64 arch_long_loop(u64 iterations)
{
    u64 x = 0x4d594c4f4f50;

    for (u64 i = 0; i < iterations; i++) {
        x = x * 6364136223846793005UL + 1442695040888963407UL;
        barrier();
    }
    return x;
}

/* A frame per step; the result depends on all of them. The barrier keeps gcc from making a loop of it. */
noinline u64 arch_deep_call(u64 depth)
{
    u64 below;

    if (depth == 0)
        return stack_bottom()->processor_id;
    below = arch_deep_call(depth - 1);
    barrier();
    return below * 3 + depth;
}

/*
 * XSA-132 as mini-Xen has it: the structure lives on the stack, three of its nine words are written,
 * all nine are given to the toolstack. The other six are what earlier calls left there.
 */
long arch_do_domctl(void *op, struct domain *d, u64 u_domctl)
{
    struct xen_domctl *domctl = op;
    struct xen_domctl_ext_vcpucontext ext;

    switch (domctl->cmd) {
    case XEN_DOMCTL_get_address_size:
        domctl->u.address_size = 64;
        break;

    case XEN_DOMCTL_gettscinfo:
        domctl->u.tsc_info.mode = 0;
        domctl->u.tsc_info.khz = 1000000;
        domctl->u.tsc_info.incarnation = d->domain_id;
        domctl->u.tsc_info.elapsed = cpu_stat[stack_bottom()->processor_id].stamp;
        break;

    case XEN_DOMCTL_get_ext_vcpucontext:
        if (domctl->u.ext_vcpucontext.vcpu >= d->max_vcpus)
            return -ESRCH;
        ext.vcpu = domctl->u.ext_vcpucontext.vcpu;
        ext.size = sizeof(ext);
        ext.sysenter_callback_eip = 0;
        ext.syscall32_callback_eip = stack_bottom()->guest_cpu_user_regs.rip;
        if (copy_to_guest(u_domctl + __builtin_offsetof(struct xen_domctl, u), &ext, sizeof(ext)))
            return -EFAULT;
        return 0;

    case XEN_DOMCTL_long_loop:
        domctl->u.work.result = arch_long_loop(domctl->u.work.amount);
        break;

    case XEN_DOMCTL_deep_call:
        if (domctl->u.work.amount > 400)
            return -EINVAL;
        domctl->u.work.result = arch_deep_call(domctl->u.work.amount);
        break;

    default:
        return -ENOSYS;
    }
    return copy_to_guest(u_domctl, domctl, sizeof(*domctl)) ? -EFAULT : 0;
}
