/* -DKIND: a hook of this kind returns RC; -DOWN_RC: it writes that into the payload's rc. Counts its calls. */
#include "mini.h"
#define STR2(x) #x
#define STR(x) STR2(x)
static int value_hook(u8 *payload)
{
    boot_count++;
#ifdef OWN_RC
    *(volatile int *)(payload + 4) = OWN_RC;
#endif
    (void)payload;
    return RC;
}
XSP_HOOK(STR(KIND), value_hook);
XSP_KEEP u32 value_minor_version(void) { return 78; }
MINI_REPLACE(xen_minor_version, 6, value_minor_version);
