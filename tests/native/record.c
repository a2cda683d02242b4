/* Records vectors: record <rows per template> <seed> <output>. The format is drawn in vectors.ts. */
#include "row.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *file;
static void put(uint64_t value, int bytes) { for (; bytes--; value >>= 8) fputc((int)(value & 0xff), file); }

/* Faults on the kernel's own pages say whether those are present: not ours to compare. */
static int is_ours(const struct row *row, const struct outcome *out)
{
    if (row->partial && out->trap != 3 && out->trap != 1) return 0;
    return out->trap != 14 || out->fault_va < 1ull << 47;
}

static void write_memory(const struct state *before, const struct state *after)
{
    int runs = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (pass) put((uint64_t)runs, 1);
        for (unsigned i = 0; i < sizeof before->memory; i++) {
            unsigned end = i;
            while (end < sizeof before->memory && end - i < 255 && before->memory[end] != after->memory[end]) end++;
            if (end == i) continue;
            if (!pass) runs++;
            else {
                put(i, 2), put(end - i, 1);
                fwrite(after->memory + i, 1, end - i, file);
            }
            i = end - 1;
        }
    }
}

/* Segments, control and status words, MXCSR: those that changed. */
static void write_other(const struct state *before, const struct state *after)
{
    int mask = (before->ds != after->ds) | (before->es != after->es) << 1 | (before->gs != after->gs) << 2
        | (before->mxcsr != after->mxcsr) << 3 | (before->fcw != after->fcw) << 4 | (before->fsw != after->fsw) << 5;
    put((uint64_t)mask, 1);
    if (mask & 1) put(after->ds, 2);
    if (mask & 2) put(after->es, 2);
    if (mask & 4) put(after->gs, 2);
    if (mask & 8) put(after->mxcsr, 4);
    if (mask & 16) put(after->fcw, 2);
    if (mask & 32) put(after->fsw, 2);
}

static void write_row(const struct row *row, const struct state *before, const struct outcome *out)
{
    uint32_t changed = 0, vectors = 0;
    put(row->len, 1), fwrite(row->code, 1, row->len, file);
    put(row->seed, 4), put(row->at, 2), put(row->defined, 2);
    put((uint64_t)(row->directed | row->stepped << 1 | row->x87 << 2 | row->many << 3), 1);
    put((uint64_t)row->overrides, 1);
    for (int i = 0; i < row->overrides; i++) put(row->over[i].reg, 1), put(row->over[i].value, 8);
    put((uint64_t)row->pokes, 1);
    for (int i = 0; i < row->pokes; i++) put(row->poke[i].at, 2), put(row->poke[i].value, 8);
    put((uint64_t)out->trap, 1);
    if (out->trap != 3) put(out->error, 2);
    if (out->trap == 14) put(out->fault_va, 8);
    put(out->after.rip, 8), put(out->after.flags, 2);
    for (int i = 0; i < 16; i++) {
        if (before->regs[i] != out->after.regs[i]) changed |= 1u << i;
        if (memcmp(before->xmm[i], out->after.xmm[i], 16)) vectors |= 1u << i;
    }
    put(changed, 2);
    for (int i = 0; i < 16; i++) if (changed >> i & 1) put(out->after.regs[i], 8);
    put(vectors, 2);
    for (int i = 0; i < 16; i++) if (vectors >> i & 1) fwrite(out->after.xmm[i], 1, 16, file);
    write_other(before, &out->after);
    write_memory(before, &out->after);
}

/* AMD's MXCSR has one bit more (misaligned mode), and says so in the mask that it saves. */
static void forget_misaligned(const struct row *row, struct state *after)
{
    static const uint8_t amd[4] = { 0xff, 0xff, 2, 0 };
    unsigned at = row->area + 28u;
    if (row->has_area && at + 4 <= sizeof after->memory && !memcmp(after->memory + at, amd, 4))
        after->memory[at + 2] = 0;
}

int main(int argc, char **argv)
{
    static struct row row;
    static struct state before;
    static struct outcome out;
    if (argc != 4 || !(file = fopen(argv[3], "wb"))) {
        fprintf(stderr, "usage: record <rows per template> <seed> <output>\n");
        return 2;
    }
    int each = atoi(argv[1]), rows = 0, made;
    uint32_t seed = (uint32_t)strtoul(argv[2], NULL, 0);
    if (native_setup()) return 1;
    for (int t = 0; (made = make_row(t, seed, &row)); t++) {
        for (int i = 0; i < each; i++) {
            /* Some templates give no row for some seeds. */
            for (int tries = 0; (made = make_row(t, mix(seed, (uint32_t)(t * 1000003 + i * 31 + tries)), &row)) < 0 && tries < 100; tries++)
                ;
            if (made < 0) continue;
            initial_state(&row, &before);
            native_run(&row, &before, &out);
            if (!is_ours(&row, &out)) continue;
            forget_misaligned(&row, &out.after);
            write_row(&row, &before, &out);
            rows++;
        }
    }
    printf("%d rows\n", rows);
    return fclose(file) ? 1 : 0;
}
