/* New code that counts in a copy of the hypervisor's variable. -DSHARED: in the variable itself. */
#include "mini.h"
#ifdef SHARED
#define COUNT boot_count
#else
static volatile u32 own_count __asm__("boot_count.0") = 1;
#define COUNT own_count
#endif
XSP_KEEP u32 copy_minor_version(void) { return ++COUNT; }
MINI_REPLACE(xen_minor_version, 10, copy_minor_version);
