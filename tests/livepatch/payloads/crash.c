/*
 * -DKIND: a hook of this kind writes to the hypervisor's data, to its own, and where it may to code, and then
 * faults; -DHANG: does not come back; -DLIES: returns 0 without having patched or restored anything.
 * The payload replaces a function too, so that there is something to patch.
 */
#include "mini.h"
#define STR2(x) #x
#define STR(x) STR2(x)
XSP_KEEP u32 crash_minor_version(void) { return 77; }
MINI_REPLACE(xen_minor_version, 6, crash_minor_version);
static volatile u32 crash_data = 1;
extern volatile u8 xen_extra_version[];
static int crash_hook(void)
{
    boot_count += 1000;
    crash_data = 2;
#ifdef CODE
    xen_extra_version[1]++;
#endif
#ifdef HANG
    while (crash_data)
        ;
#endif
#ifdef LIES
    return 0;
#else
    return *(volatile int *)(u64)crash_data; /* page 0 */
#endif
}
XSP_HOOK(STR(KIND), crash_hook);
