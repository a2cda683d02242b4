/*
 * The relocation pass in C: the same loop as assembly/xsplice/reloc.ts over the same tables, with the
 * same checks for every entry, compiled with gcc -O2. Reads "run N" lines, answers with nanoseconds for
 * each pass and a checksum of the result.
 */
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TARGET_VA UINT64_C(0xffff82d080400000)
#define SYMBOLS 16384u
#define NO_VALUE UINT64_C(0x5e1f0bad)

static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Code first, where calls and references to data alternate without a pattern, then pointers. */
static uint32_t type_of(size_t i, size_t count, uint64_t r)
{
    if ( i >= count / 5 * 3 )
        return R_X86_64_64;
    return (r & 1) == 0 ? R_X86_64_PC32 : R_X86_64_PLT32;
}

/* Returns the number of entries done: `count` when all went well. */
__attribute__((noinline))
static size_t relocate(const Elf64_Rela *rela, size_t count, uint8_t *target, uint64_t target_va,
                       uint64_t size, const uint64_t *values, uint64_t nsyms)
{
    for ( size_t i = 0; i < count; i++ )
    {
        uint64_t offset = rela[i].r_offset;
        uint32_t type = ELF64_R_TYPE(rela[i].r_info);
        uint64_t sym = ELF64_R_SYM(rela[i].r_info);
        uint64_t value;

        if ( offset > size - 8 || sym >= nsyms )
            return i;
        value = values[sym];
        if ( value == NO_VALUE )
            return i;
        value += rela[i].r_addend;

        if ( type == R_X86_64_64 )
            memcpy(target + offset, &value, 8);
        else if ( type == R_X86_64_PC32 || type == R_X86_64_PLT32 )
        {
            value -= target_va + offset;
            if ( value != (uint64_t)(int64_t)(int32_t)value )
                return i;
            memcpy(target + offset, &value, 4);
        }
        else
            return i;
    }

    return count;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    uint64_t *values = calloc(SYMBOLS, 8);
    Elf64_Rela *rela = calloc(count, sizeof(*rela));
    uint8_t *target = calloc(count, 8);
    unsigned int passes;

    if ( !values || !rela || !target )
        return 1;
    for ( unsigned int i = 0; i < SYMBOLS; i++ )
        values[i] = TARGET_VA + (next_random() & 0x3ffffff);
    for ( size_t i = 0; i < count; i++ )
    {
        uint64_t r = next_random();

        rela[i].r_offset = i * 8;
        rela[i].r_info = ELF64_R_INFO((r >> 8) % (SYMBOLS - 1) + 1, type_of(i, count, r));
        rela[i].r_addend = (r >> 40) & 0xff;
    }

    while ( scanf(" run %u", &passes) == 1 )
    {
        uint64_t hash = UINT64_C(0xcbf29ce484222325), begin = now_ns(), word;

        for ( unsigned int i = 0; i < passes; i++ )
            if ( relocate(rela, count, target, TARGET_VA, count * 8, values, SYMBOLS) != count )
                return 2;
        begin = now_ns() - begin;
        for ( size_t i = 0; i < count; i++ )
        {
            memcpy(&word, target + i * 8, 8);
            hash = (hash ^ word) * UINT64_C(0x100000001b3);
        }
        printf("%llu %llx\n", (unsigned long long)(begin / passes), (unsigned long long)hash);
        fflush(stdout);
    }

    return 0;
}
