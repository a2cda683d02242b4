/*
 * New code with data of its own (R29, K18): initialised (.data), zero (.bss), and constant (.rodata, of
 * pointers too). account_last counts its calls, keeps a history and takes turns between two functions.
 * Visible: account_last(0) is 1001 before; after, successive calls of account_last(0) give 4010, 4021,
 * 4030, 4038, then again from 4010.
 */
#include "payload.h"

static u64 calls_base = 4000;      /* .data */
static u64 calls;                  /* .bss */
static u64 history[64];            /* .bss */
static const u64 steps[4] = { 10, 20, 30, 37 };

static u64 plain(u64 v) { return v; }
static u64 odd(u64 v) { return v + 1; }
static u64 (*const turns[2])(u64) = { plain, odd }; /* .data.rel.ro */

u64 new_account_last(u64 v)
{
    u64 n = calls++;
    u64 sum = turns[n % 2](v + calls_base + steps[n % 4]);

    history[n % 64] = sum;
    barrier();
    return history[n % 64];
}

XSPLICE_REPLACE_FUNCTION("new-data", BUILD_ID, "account_last", ADDR_account_last,
                         OLD_SIZE_account_last, new_account_last, SIZE_OF(new_account_last));
