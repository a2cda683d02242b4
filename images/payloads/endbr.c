/*
 * A function that begins with ENDBR64 and is called through a pointer: the trampoline stands behind the
 * four bytes, which stay.
 * Visible: endbr_apply(1, 6, 7) is 42 before, 43 after.
 */
#include "payload.h"

u64 new_endbr_mul(u64 a, u64 b)
{
    return a * b + 1;
}

XSPLICE_REPLACE_FUNCTION("endbr", BUILD_ID, "endbr_mul", ADDR_endbr_mul, OLD_SIZE_endbr_mul,
                         new_endbr_mul, SIZE_OF(new_endbr_mul));
