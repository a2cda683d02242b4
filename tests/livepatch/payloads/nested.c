/*
 * For Debian's Xen 4.17: hooks that do the hypervisor's work by calling it, as upstream's own test payloads do.
 * The apply hook calls apply_payload, the revert hook revert_payload; both call load and unload hooks in turn,
 * which count in the string that the new function returns. -DBARE: the apply hook applies without quiescing.
 */
#include "../../oracle/src/xsp.h"
#pragma GCC visibility push(hidden)
extern int apply_payload(void *payload) __asm__("\"common/livepatch.c#apply_payload\"");
extern int revert_payload(void *payload);
extern void arch_livepatch_apply(const void *func, void *state);
static char nested_text[] = "xsp nest l0 u0";
XSP_KEEP const char *nested_version(void) { return nested_text; }
XSP_REPLACE_EXTRA(nested_version, 0);
static void nested_load(void)   { ++*(volatile char *)&nested_text[10]; }
static void nested_unload(void) { ++*(volatile char *)&nested_text[13]; }
XSP_HOOK("load", nested_load);
XSP_HOOK("unload", nested_unload);
static int nested_apply(u8 *payload)
{
#ifdef BARE
    arch_livepatch_apply(*(void **)(payload + 104), *(void **)(payload + 112));
    *(volatile u32 *)(*(u8 **)(payload + 112) + 4) = 1;
    return 0;
#else
    return apply_payload(payload);
#endif
}
static int nested_revert(void *payload) { return revert_payload(payload); }
XSP_HOOK("apply", nested_apply);
XSP_HOOK("revert", nested_revert);
