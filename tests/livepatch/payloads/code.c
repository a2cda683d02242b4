/* A load hook writes to code, which is writable then. -DPUT_BACK: the unload hook puts it back. */
#include "mini.h"
extern volatile u8 xen_minor_version[];
static void code_load(void) { xen_minor_version[1]++; }
XSP_HOOK("load", code_load);
#ifdef PUT_BACK
static void code_unload(void) { xen_minor_version[1]--; }
XSP_HOOK("unload", code_unload);
#endif
