/*
 * A function of 3 bytes (R185-R187): shadow_l1_index has room for the 5 of a trampoline only with the
 * padding behind it. (wbinvd_ipi, as long and packed, has not: too-small.c.)
 * Visible: shadow_index(1, 5) is 5 before, 105 after.
 */
#include "payload.h"

u64 new_shadow_l1_index(u32 index)
{
    return index + 100UL;
}

XSPLICE_REPLACE_FUNCTION("tail-padding", BUILD_ID, "shadow_l1_index", ADDR_shadow_l1_index,
                         OLD_SIZE_shadow_l1_index, new_shadow_l1_index,
                         SIZE_OF(new_shadow_l1_index));
