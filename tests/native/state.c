/* The state a row starts from, worked out of its seed. The replay does the same (vectors.ts). */
#include "row.h"
#include <string.h>

uint32_t mix(uint32_t seed, uint32_t index)
{
    uint32_t x = seed + index * 0x9e3779b9u;
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ (x >> 16);
}

static const uint64_t edges[16] = {
    0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
    0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xffffffff80000000,
};

static uint64_t value(uint32_t seed, uint32_t n)
{
    uint32_t kind = mix(seed, 2 * n + 100), low = mix(seed, 2 * n + 101);
    uint64_t wide = ((uint64_t)kind << 32) | low;
    switch (kind & 7) {
    case 0: return low & 0xff;
    case 1: return low;
    case 2: return edges[low & 15];
    case 3: return (uint64_t)0 - (low & 0xff);
    default: return wide;
    }
}

void initial_state(const struct row *row, struct state *state)
{
    for (uint32_t i = 0; i < 16; i++) {
        state->regs[i] = value(row->seed, i);
        state->xmm[i][0] = value(row->seed, 32 + i);
        state->xmm[i][1] = value(row->seed, 64 + i);
    }
    state->regs[RSP] = DATA_VA + 0x900 + 8 * (mix(row->seed, 7) & 15);
    state->flags = mix(row->seed, 8) & FLAG_MASK;
    if (!row->directed) state->flags &= ~(uint64_t)FLAG_DF;
    state->rip = CODE_VA + row->at;
    state->ds = state->es = state->gs = 0;
    state->fcw = 0x37f;
    state->fsw = 0;
    state->mxcsr = 0x1f80;
    if (row->x87) {
        state->fcw = (uint16_t)((mix(row->seed, 9) & 0x1f3f) | 0x40);
        state->fsw = (uint16_t)(mix(row->seed, 10) & 0x7f7f);
        if (state->fsw & ~state->fcw & 0x3f) state->fsw |= 0x8080;
        state->mxcsr = mix(row->seed, 11) & 0xffff;
    }
    for (uint32_t i = 0; i < sizeof state->memory; i += 4) {
        uint32_t word = mix(0, 5000 + i / 4);
        memcpy(state->memory + i, &word, 4);
    }
    for (int i = 0; i < row->overrides; i++) state->regs[row->over[i].reg] = row->over[i].value;
    for (int i = 0; i < row->pokes; i++) memcpy(state->memory + row->poke[i].at, &row->poke[i].value, 8);
}
