/*
 * The computing kernels that the interpreter runs, natively: the very source of the image, compiled with
 * gcc -O2. First argument: crc32, sha256 or quicksort; second: its length. Reads "run N" lines, answers
 * with nanoseconds for each pass and the kernel's result.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../images/bench/kernels.c"

static u64 now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ul + t.tv_nsec;
}

static u64 work(const char *name, u64 length)
{
    if ( !strcmp(name, "crc32") )
        return bench_crc32(0, length);
    if ( !strcmp(name, "sha256") )
        return bench_sha256(0, length);
    return bench_quicksort(length);
}

int main(int argc, char **argv)
{
    unsigned int passes;

    if ( argc != 3 )
        return 1;
    while ( scanf(" run %u", &passes) == 1 )
    {
        u64 result = 0, begin = now_ns();

        for ( unsigned int i = 0; i < passes; i++ )
            result = work(argv[1], strtoul(argv[2], NULL, 10));
        printf("%lu %lx\n", (now_ns() - begin) / passes, result);
        fflush(stdout);
    }

    return 0;
}
