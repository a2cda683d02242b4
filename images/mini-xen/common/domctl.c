/*
 * do_domctl: the toolstack's operations on domains. At +0x19f0 (arch/do_domctl.S) it calls
 * arch_do_domctl for what is not here.
 */
#include "domctl.h"

u64 arch_domain_pages(const struct domain *d);
u32 domain_vcpus(const struct domain *d, u32 wanted);
long do_domctl_arch(void *op, struct domain *d, u64 u_domctl); /* its last bytes */

static u32 pause_count[16];
static s32 time_offset[16];

static noinline void fill_domaininfo(struct xen_domctl_getdomaininfo *info, const struct domain *d)
{
    memset(info, 0, sizeof(*info));
    info->domain = d->domain_id;
    info->flags = (pause_count[d->domain_id % ARRAY_SIZE(pause_count)] ? 8 : 16) |
                  (u32)d->is_privileged << 8;
    info->tot_pages = arch_domain_pages(d);
    info->max_pages = info->tot_pages;
    info->nr_online_vcpus = d->max_vcpus;
    info->max_vcpu_id = d->max_vcpus - 1;
    info->cpu_time = rdtsc();
}

static noinline long fill_vcpuinfo(struct xen_domctl_getvcpuinfo *info, const struct domain *d)
{
    if (info->vcpu >= d->max_vcpus)
        return -ESRCH;
    info->online = 1;
    info->blocked = 0;
    info->running = (s32)info->vcpu == current->vcpu_id;
    info->pad = 0;
    info->cpu_time = rdtsc();
    info->cpu = current->processor;
    info->pad2 = 0;
    return 0;
}

/* do_domctl itself: the symbol of that name begins here and ends after do_domctl_arch. */
__attribute__((section(".text.do_domctl.body"))) long domctl_body(u64 u_domctl)
{
    struct xen_domctl op;
    struct domain *d = current->domain;
    u32 slot;
    long rc = 0;

    if (copy_from_guest(&op, u_domctl, sizeof(op)))
        return -EFAULT;
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return -EACCES;
    if (!d->is_privileged)
        return -EPERM;
    if (op.domain != DOMID_SELF && op.domain != d->domain_id)
        return -ESRCH;
    slot = d->domain_id % ARRAY_SIZE(pause_count);

    switch (op.cmd) {
    case XEN_DOMCTL_pausedomain:
        pause_count[slot]++;
        break;

    case XEN_DOMCTL_unpausedomain:
        if (pause_count[slot] == 0)
            return -EINVAL;
        pause_count[slot]--;
        break;

    case XEN_DOMCTL_getdomaininfo:
        fill_domaininfo(&op.u.getdomaininfo, d);
        break;

    case XEN_DOMCTL_getvcpuinfo:
        rc = fill_vcpuinfo(&op.u.getvcpuinfo, d);
        break;

    case XEN_DOMCTL_max_vcpus:
        op.u.max_vcpus = domain_vcpus(d, op.u.max_vcpus);
        break;

    case XEN_DOMCTL_settimeoffset:
        time_offset[slot] = op.u.time_offset_seconds;
        break;

    default:
        return do_domctl_arch(&op, d, u_domctl);
    }
    if (rc == 0 && copy_to_guest(u_domctl, &op, sizeof(op)))
        rc = -EFAULT;
    return rc;
}
