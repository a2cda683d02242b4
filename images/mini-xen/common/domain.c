/* What is common to domains of every architecture; its domain_limit is about vcpus. */
#include "xen.h"

static noinline u32 domain_limit(const struct domain *d)
{
    return d->is_privileged ? 32 : 8;
}

u32 domain_vcpus(const struct domain *d, u32 wanted)
{
    u32 limit = domain_limit(d);

    return wanted < limit ? wanted : limit;
}

/* vcpu_op: initialise 0, up 1, down 2, is_up 3. vcpus are made by the machine, so only asking works. */
long do_vcpu_op(u32 cmd, u32 vcpu, u64 arg)
{
    if (vcpu >= current->domain->max_vcpus)
        return -ENOENT;
    return cmd == 3 ? 1 : -ENOSYS;
}
