/* A load hook hands the hypervisor a pointer into the payload. -DTAKE_BACK: the unload hook takes it back. */
#include "mini.h"
static char pointer_text[] = "mine";
static void pointer_load(void) { SPARE_WORD = (u64)pointer_text; }
XSP_HOOK("load", pointer_load);
#ifdef TAKE_BACK
static void pointer_unload(void) { SPARE_WORD = 0; }
XSP_HOOK("unload", pointer_unload);
#endif
