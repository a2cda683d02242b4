/* The architecture's view of a domain. common/domain.c has a domain_limit too, on purpose. */
#include "xen.h"

static noinline u32 domain_limit(const struct domain *d)
{
    return d->is_privileged ? 4096 : 1024; /* MiB */
}

u64 arch_domain_pages(const struct domain *d)
{
    return (u64)domain_limit(d) << 8;
}
