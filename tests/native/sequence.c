/* Sequences: items one after the other. Control goes forward, or back a bounded number of times; flags
 * that the manual leaves undefined are never read. */
#include "sequence.h"
#include <string.h>

static const uint32_t *left_out;
static void (*seen)(uint32_t);

void item(struct maker *m)
{
    uint32_t stream = m->stream, draws = m->draws, children = ++m->children;
    if (m->out->len > MAX_BYTES - 1024) return;
    m->stream = mix(stream, 200 + children) | 1;
    for (const uint32_t *p = left_out; *p; p++) if (*p == m->stream) { m->stream = stream; return; }
    if (seen) seen(m->stream);
    m->draws = m->children = 0;
    m->depth++;
    choose(m);
    m->depth--;
    m->stream = stream, m->draws = draws, m->children = children;
}

void sequence_state(uint32_t seed, uint32_t at, struct state *state)
{
    struct row row = { .seed = seed, .at = (uint16_t)at };
    initial_state(&row, state);
    state->rip = SEQUENCE_VA + at;
    for (uint32_t i = 0; i < 16; i++)
        if (i != RSP && mix(seed, 300 + i) % 3 == 0) state->regs[i] = DATA_VA + mix(seed, 320 + i) % 0x2100;
}

void make_sequence(uint32_t seed, const uint32_t *without, void (*tell)(uint32_t), struct sequence *out)
{
    static struct state state;
    struct maker m = { .out = out, .known = 0xffff, .stream = seed };
    left_out = without;
    seen = tell;
    out->seed = seed;
    out->len = 0;
    out->count = 0;
    uint32_t kind = draw(&m, 20);
    out->at = (uint16_t)(kind < 8 ? 0x1000 - draw(&m, 150) : kind == 8 ? 0x2000 - draw(&m, 120) : draw(&m, 0x600));
    sequence_state(seed, out->at, &state);
    memcpy(m.value, state.regs, sizeof m.value);
    for (int i = 0; i < 4; i++) m.hot[i] = 0x20 + draw(&m, 0x1f00);
    if (one_in(&m, 3)) m.hot[0] = 0xff8 + draw(&m, 8);
    m.straight = one_in(&m, 60);
    items(&m, m.straight ? 150 : one_in(&m, 40) ? 120 : 2 + draw(&m, 39));
    begin(&m);                                                    /* the int3 behind it */
    if (out->at + out->len > (int)SEQUENCE_SIZE) out->len = (uint16_t)(SEQUENCE_SIZE - out->at);
}
