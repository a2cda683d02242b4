/* A function of 3 bytes that alignment gives room, reached through a table of pointers in .rodata. */
#include "xen.h"

static u64 shadow_l1_index(u32 index)
{
    return index;
}

static u64 shadow_l2_index(u32 index)
{
    return index >> 9;
}

static u64 shadow_l3_index(u32 index)
{
    return index >> 18;
}

u64 (*const shadow_index_table[3])(u32) = {
    shadow_l1_index, shadow_l2_index, shadow_l3_index,
};

u64 shadow_index(u32 level, u32 index)
{
    if (level - 1 >= ARRAY_SIZE(shadow_index_table))
        return ~0UL;
    return shadow_index_table[level - 1](index);
}
