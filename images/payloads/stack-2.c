/*
 * Interdependency mode 2 (R198), the upper of two: its id is stack-1's build-id, so it needs that one
 * applied, may patch what that one patched, and has to be reverted before it.
 * Visible: account_last(0) is 1301 under stack-1, 1401 after.
 */
#include "payload.h"
#include "build-note.h"

OWN_BUILD_ID("0x51,0xac,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2");

u64 upper_account_last(u64 v)
{
    return v + 1401;
}

XSPLICE_REPLACE_FUNCTION("stack-2", "51ac010101010101010101010101010101010101", "account_last",
                         ADDR_account_last, OLD_SIZE_account_last, upper_account_last,
                         SIZE_OF(upper_account_last));
