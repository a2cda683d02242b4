/* vm_assist: its switch is a jump table in .rodata whose cases do different things to a value. */
#include "xen.h"

long vm_assist(u32 type, u64 value)
{
    switch (type) {
    case 0:
        return value + 1;
    case 1:
        return value * 3;
    case 2:
        return (value ^ 0x55) & 0xff;
    case 3:
        return (long)value - 7;
    case 4:
        return value << 4;
    case 5:
        return strlen(xen_extra_version()) + value;
    }
    return -EINVAL;
}

/* cmd 0 enable, 1 disable; a guest sees which case ran by what becomes of its value */
long do_vm_assist(u32 cmd, u32 type, u64 value)
{
    if (cmd > 1)
        return -EINVAL;
    return vm_assist(type, cmd ? ~value & 0xffff : value);
}
