/* Hypercalls that are short, and the ways into the other two tables. */
#include "xen.h"

long do_ni_hypercall(void)
{
    return -ENOSYS;
}

/* What a hypercall of an HVM guest, and of a 32-bit guest, reaches; `call` can be that guest. */
long hvm_do_hypercall(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    return nr < NR_HYPERCALLS ? hvm_hypercall64_table[nr](a1, a2, a3, a4, a5, 0) : -ENOSYS;
}

long compat_do_hypercall(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
    return nr < NR_HYPERCALLS ? compat_hypercall_table[nr](a1, a2, a3, a4, a5, 0) : -ENOSYS;
}

long do_set_debugreg(u32 reg, u64 value)
{
    if (reg > 3)
        return -EINVAL;
    cpu_stat[smp_processor_id()].debugreg[reg] = value;
    return 0;
}

u64 do_get_debugreg(u32 reg)
{
    return reg > 3 ? -(u64)EINVAL : cpu_stat[smp_processor_id()].debugreg[reg];
}

u64 arch_domain_pages(const struct domain *d);

/* maximum_ram_page 2, current_reservation 3, maximum_reservation 4 */
long do_memory_op(u64 cmd, u64 arg)
{
    switch (cmd) {
    case 2:
        return 0x7fff;
    case 3:
    case 4:
        return arch_domain_pages(current->domain);
    }
    return -ENOSYS;
}

/* write 0: in pieces, through the stack; read 1: there is nothing to read */
long do_console_io(u32 cmd, u32 count, u64 buffer)
{
    char piece[128];

    if (cmd == 1)
        return 0;
    if (cmd != 0)
        return -ENOSYS;
    while (count) {
        u32 n = count < sizeof(piece) ? count : sizeof(piece);

        if (copy_from_guest(piece, buffer, n))
            return -EFAULT;
        for (u32 i = 0; i < n; i++)
            console_putc(piece[i]);
        count -= n;
        buffer += n;
    }
    return 0;
}

struct multicall_entry {
    u64 op;
    s64 result;
    u64 args[6];
};

/* Several hypercalls in one: calls through the table, so that two of its frames can be on a stack. */
long do_multicall(u64 list, u32 calls)
{
    struct multicall_entry e;

    for (; calls; calls--, list += sizeof(e)) {
        if (copy_from_guest(&e, list, sizeof(e)))
            return -EFAULT;
        e.result = e.op < NR_HYPERCALLS
                       ? hypercall_table[e.op](e.args[0], e.args[1], e.args[2], e.args[3],
                                               e.args[4], e.args[5])
                       : -ENOSYS;
        if (copy_to_guest(list, &e, sizeof(e)))
            return -EFAULT;
    }
    return 0;
}
