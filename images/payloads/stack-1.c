/*
 * Interdependency mode 2 (R198), the lower of two: built against the hypervisor, with a build-id of its
 * own for stack-2 to stand on.
 * Visible: account_last(0) is 1001 before, 1301 after.
 */
#include "payload.h"
#include "build-note.h"

OWN_BUILD_ID("0x51,0xac,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1");

u64 new_account_last(u64 v)
{
    return v + 1301;
}

XSPLICE_REPLACE_FUNCTION("stack-1", BUILD_ID, "account_last", ADDR_account_last,
                         OLD_SIZE_account_last, new_account_last, SIZE_OF(new_account_last));
