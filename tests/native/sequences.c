/* Makes sequences and lets the processor execute them:
 *
 *     sequences <how many> <seed> <output> [longest]      of those with at most so many bytes of code
 *     sequences one <seed of a sequence> <output> [items left out ...]
 *
 * `one` prints its items, and writes nothing if it jumps into the middle of an instruction (which is
 * found out step by step: too slow for all).
 *
 * The format of the output is drawn in sequences.ts. */
#include "sequence.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *file;
static void write_number(uint64_t value, int bytes)
{
    for (; bytes--; value >>= 8) fputc((int)(value & 0xff), file);
}

/* Flags that mean something at `rip`; -1: not even memory does. */
static int32_t defined_at(const struct sequence *s, const struct outcome *out)
{
    for (int i = 0; i < s->count; i++) {
        if (s->insn[i].at != out->after.rip - SEQUENCE_VA) continue;
        return s->insn[i].partial && out->trap != 3 ? -1 : (int32_t)(FLAG_MASK & ~(uint32_t)s->insn[i].undefined);
    }
    return FLAG_MASK;
}

/* Not what is in the kernel's hands: its own pages, alignment checks, endless loops. */
static int is_ours(const struct sequence *s, const struct outcome *out)
{
    if (out->trap == TRAP_NONE || out->trap == 17 || defined_at(s, out) < 0) return 0;
    return out->trap != 14 || out->fault_va < 1ull << 47;
}

static void write_memory(const struct state *before, const struct state *after)
{
    uint32_t runs = 0, size = sizeof before->memory, end;
    for (int pass = 0; pass < 2; pass++) {
        if (pass) write_number(runs, 2);
        for (uint32_t i = 0; i < size; i = end + (end == i)) {
            for (end = i; end < size && before->memory[end] != after->memory[end]; ) end++;
            if (end == i) continue;
            if (!pass) runs++;
            else {
                write_number(i, 2), write_number(end - i, 2);
                fwrite(after->memory + i, 1, end - i, file);
            }
        }
    }
}

static void write_sequence(const struct sequence *s, const struct state *before, const struct outcome *out)
{
    uint32_t changed = 0, vectors = 0;
    write_number(s->len, 2), fwrite(s->code, 1, s->len, file);
    write_number(s->seed, 4), write_number(s->at, 2), write_number((uint64_t)defined_at(s, out), 2);
    write_number((uint64_t)out->trap, 1);
    if (out->trap != 3) write_number(out->error, 2);
    if (out->trap == 14) write_number(out->fault_va, 8);
    write_number(out->after.rip, 8), write_number(out->after.flags, 2);
    for (int i = 0; i < 16; i++) {
        if (before->regs[i] != out->after.regs[i]) changed |= 1u << i;
        if (memcmp(before->xmm[i], out->after.xmm[i], 16)) vectors |= 1u << i;
    }
    write_number(changed, 2);
    for (int i = 0; i < 16; i++) if (changed >> i & 1) write_number(out->after.regs[i], 8);
    write_number(vectors, 2);
    for (int i = 0; i < 16; i++) if (vectors >> i & 1) fwrite(out->after.xmm[i], 1, 16, file);
    write_memory(before, &out->after);
}

static void tell(uint32_t item) { printf("%u\n", item); }

static int run(uint32_t seed, const uint32_t *left_out, void (*seen)(uint32_t), uint32_t longest)
{
    static struct sequence sequence;
    static struct state before;
    static struct outcome out;
    make_sequence(seed, left_out, seen, &sequence);
    sequence_state(seed, sequence.at, &before);
    confined_run(&sequence, &before, &out);
    if (sequence.len > longest || !is_ours(&sequence, &out)) return 0;
    if (seen && confined_strays(&sequence, &before)) return 0;
    write_sequence(&sequence, &before, &out);
    return 1;
}

int main(int argc, char **argv)
{
    static uint32_t left_out[4096];
    if (argc < 4 || argc > 4096 || !(file = fopen(argv[3], "wb"))) {
        fprintf(stderr, "usage: sequences <how many> <seed> <output> [longest]\n"
                        "       sequences one <seed> <output> [items left out ...]\n");
        return 2;
    }
    uint32_t seed = (uint32_t)strtoul(argv[2], NULL, 0), count = (uint32_t)atoi(argv[1]), ours = 0;
    if (confined_setup()) return 1;
    for (int i = 4; i < argc; i++) left_out[i - 4] = (uint32_t)strtoul(argv[i], NULL, 0);
    if (!strcmp(argv[1], "one")) run(seed, left_out, tell, MAX_BYTES);
    else {
        uint32_t longest = argc > 4 ? left_out[0] : MAX_BYTES;
        left_out[0] = 0;
        for (uint32_t i = 0; i < count; i++) ours += (uint32_t)run(mix(seed, i), left_out, NULL, longest);
        printf("%u of %u\n", ours, count);
    }
    return fclose(file) ? 1 : 0;
}
