/* A load hook changes a variable of the hypervisor. -DPUT_BACK: the unload hook puts it back. */
#include "mini.h"
static void counter_load(void) { boot_count += 100; }
XSP_HOOK("load", counter_load);
#ifdef PUT_BACK
static void counter_unload(void) { boot_count -= 100; }
XSP_HOOK("unload", counter_unload);
#endif
