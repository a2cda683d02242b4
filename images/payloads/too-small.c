/*
 * Must be refused at CHECK, -ENOSPC too-small: wbinvd_ipi has 3 bytes and the next function follows
 * immediately (R186, R187).
 */
#include "payload.h"

void new_wbinvd_ipi(void *info)
{
    barrier();
}

XSPLICE_REPLACE_FUNCTION("too-small", BUILD_ID, "wbinvd_ipi", ADDR_wbinvd_ipi, OLD_SIZE_wbinvd_ipi,
                         new_wbinvd_ipi, SIZE_OF(new_wbinvd_ipi));
