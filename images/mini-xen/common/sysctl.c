/*
 * do_sysctl: the one hypercall that the image does not answer itself. The machine does (gate 1),
 * including the check of privilege; xSplice lives behind it. Nothing of the image is written here.
 */
#include "xen.h"

long do_sysctl(u64 u_sysctl)
{
    return gate(GATE_SYSCTL, u_sysctl);
}
