/*
 * The stack check in plain C: every word of 256 stacks of 32 KiB looked up in sorted ranges by binary
 * search, compiled with gcc -O2. Same stacks and ranges as bench/assembly/stack_scan.ts. Reads "run N"
 * lines, answers with nanoseconds for each pass and 1 + the index of the first word found, or 0.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TEXT_VA UINT64_C(0xffff82d080200000)
#define TEXT_SIZE UINT64_C(0x200000)
#define STACK_VA UINT64_C(0xffff830000000000)
#define STACKS 256
#define WORDS_PER_STACK (0x8000 / 8)

struct range {
    uint64_t lo, hi;
};

static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t make_word(uint64_t ranges)
{
    uint64_t r = next_random(), kind = r & 7, stride = TEXT_SIZE / ranges;

    if ( kind < 2 )
        return STACK_VA + ((r >> 8) & 0xfffff8);
    if ( kind < 5 )
        return (r >> 8) & 0xffff;
    if ( kind == 5 )
        return r;
    return TEXT_VA + (r >> 8) % ranges * stride + stride / 2 + (r >> 40) % (stride - stride / 2);
}

static int in_ranges(const struct range *ranges, size_t count, uint64_t va)
{
    size_t lo = 0, hi = count;

    while ( lo < hi )
    {
        size_t mid = (lo + hi) / 2;

        if ( ranges[mid].hi <= va )
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < count && ranges[lo].lo <= va;
}

__attribute__((noinline))
static size_t scan(const uint64_t *words, size_t n, const struct range *ranges, size_t count)
{
    for ( size_t i = 0; i < n; i++ )
        if ( in_ranges(ranges, count, words[i]) )
            return i + 1;
    return 0;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000, found = 0;
    size_t words = (size_t)STACKS * WORDS_PER_STACK;
    struct range *ranges = calloc(count, sizeof(*ranges));
    uint64_t *stacks = calloc(words, 8);
    unsigned int passes;

    if ( !ranges || !stacks || !count )
        return 1;
    for ( size_t i = 0; i < count; i++ )
    {
        ranges[i].lo = TEXT_VA + i * (TEXT_SIZE / count);
        ranges[i].hi = ranges[i].lo + TEXT_SIZE / count / 2;
    }
    for ( size_t i = 0; i < words; i++ )
        stacks[i] = make_word(count);

    while ( scanf(" run %u", &passes) == 1 )
    {
        uint64_t begin = now_ns();

        for ( unsigned int i = 0; i < passes; i++ )
            found = scan(stacks, words, ranges, count);
        begin = now_ns() - begin;
        printf("%llu %llx\n", (unsigned long long)(begin / passes), (unsigned long long)found);
        fflush(stdout);
    }

    return 0;
}
