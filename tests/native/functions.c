/* Whole functions, as compilers make them at every level: sorting, hashing, parsing, division, bit tricks,
 * block copies, jump tables, recursion, wide arithmetic. Built twice from the same flags: as a program that
 * prints its results (HOSTED), and as an image whose entry point is the table below. */
#include <stdint.h>
#ifdef HOSTED
#include <stdio.h>
#else
void *memcpy(void *to, const void *from, unsigned long n)
{
    char *t = to;
    const char *f = from;
    while (n--) { *t++ = *f++; __asm__ volatile("" ::: "memory"); }
    return to;
}
void *memset(void *to, int c, unsigned long n)
{
    char *t = to;
    while (n--) { *t++ = (char)c; __asm__ volatile("" ::: "memory"); }
    return to;
}
void *memmove(void *to, const void *from, unsigned long n)
{
    char *t = to;
    const char *f = from;
    if (t <= f) return memcpy(to, from, n);
    while (n--) { t[n] = f[n]; __asm__ volatile("" ::: "memory"); }
    return to;
}
int memcmp(const void *a, const void *b, unsigned long n)
{
    const unsigned char *x = a, *y = b;
    for (; n; n--, x++, y++) if (*x != *y) return *x - *y;
    return 0;
}
#endif

typedef uint64_t u64;
typedef uint32_t u32;
typedef unsigned char u8;
static u32 words[2000];
static u8 text[8192];

static u64 mix(u64 x) { x ^= x >> 33; x *= 0xff51afd7ed558ccdull; x ^= x >> 29; x *= 0xc4ceb9fe1a85ec53ull; return x ^ x >> 32; }
static void fill(u64 seed)
{
    for (unsigned i = 0; i < 2000; i++) words[i] = (u32)mix(seed + i);
    for (unsigned i = 0; i < sizeof text; i++) text[i] = (u8)(mix(seed ^ i) >> 7);
}
static u64 sum(void)
{
    u64 s = 0;
    for (unsigned i = 0; i < 2000; i++) s = s * 31 + words[i];
    return s;
}

static u64 shell_sort(u64 seed)
{
    fill(seed);
    for (int gap = 1000; gap; gap /= 2)
        for (int i = gap; i < 2000; i++) {
            u32 x = words[i];
            int j = i;
            for (; j >= gap && words[j - gap] > x; j -= gap) words[j] = words[j - gap];
            words[j] = x;
        }
    return sum();
}
static void quick(int *a, int low, int high)
{
    while (low < high) {
        int pivot = a[(low + high) / 2], i = low, j = high;
        while (i <= j) {
            while (a[i] < pivot) i++;
            while (a[j] > pivot) j--;
            if (i <= j) { int t = a[i]; a[i++] = a[j]; a[j--] = t; }
        }
        quick(a, low, j);
        low = i;
    }
}
static u64 quick_sort(u64 seed) { fill(seed); quick((int *)words, 0, 1999); return sum(); }
static u64 fnv(u64 seed)
{
    fill(seed);
    u64 h = 0xcbf29ce484222325ull;
    for (unsigned i = 0; i < sizeof text; i++) h = (h ^ text[i]) * 0x100000001b3ull;
    return h;
}
static u64 adler(u64 seed)
{
    fill(seed);
    u32 a = 1, b = 0;
    for (unsigned i = 0; i < sizeof text; i++) { a = (a + text[i]) % 65521; b = (b + a) % 65521; }
    return (u64)b << 16 | a;
}
static u64 crc(u64 seed)
{
    fill(seed);
    u32 c = ~0u;
    for (unsigned i = 0; i < 2048; i++) {
        c ^= text[i];
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (0xedb88320u & -(c & 1));
    }
    return ~c;
}
/* A number with a sign, in the base that its prefix says. */
static long parse(const char *s)
{
    int negative = 0, base = 10;
    long value = 0;
    if (*s == '-') negative = 1, s++;
    if (*s == '0' && s[1] == 'x') base = 16, s += 2;
    else if (*s == '0') base = 8;
    for (;; s++) {
        int digit;
        switch (*s) {
        case '0' ... '9': digit = *s - '0'; break;
        case 'a' ... 'f': digit = *s - 'a' + 10; break;
        case 'A' ... 'F': digit = *s - 'A' + 10; break;
        default: return negative ? -value : value;
        }
        if (digit >= base) return negative ? -value : value;
        value = value * base + digit;
    }
}
static u64 parsing(u64 seed)
{
    static const char *const lines[] = { "12345", "-0x7fFf", "0777", "-9223372036854775807", "0x", "99z", "" };
    u64 h = seed;
    for (int i = 0; i < 7; i++) h = mix(h) + (u64)parse(lines[i]);
    return h;
}
static u64 divisions(u64 seed)
{
    u64 h = 0;
    for (int i = 1; i < 500; i++) {
        u64 x = mix(seed + (u64)i), y = mix(x) >> (i & 63);
        int64_t a = (int64_t)x, b = (int64_t)(y | 1);
        h += x / (y | 1) + x % (y | 1) + (u64)(a / b) + (u64)(a % b) + x / 10 + (u64)(a / 7) + (u32)x / ((u32)y | 1);
        h ^= (u64)((int16_t)x / ((int16_t)y | 1)) + (u64)((signed char)x % ((signed char)y | 1));
        h = h << 7 | h >> 57;
    }
    return h;
}
static u64 wide(u64 seed)
{
    unsigned __int128 x = seed | 1;
    for (int i = 0; i < 100; i++) x = x * x + mix((u64)i) + (x >> 61) - ((unsigned __int128)seed << 33);
    return (u64)(x >> 64) ^ (u64)x;
}
static u64 bit_tricks(u64 seed)
{
    u64 h = 0;
    for (int i = 0; i < 300; i++) {
        u64 x = mix(seed + (u64)i) | 1;
        h += (u64)__builtin_ctzll(x) + (u64)__builtin_clzll(x) * 3 + (u64)__builtin_bswap64(x);
        h ^= __builtin_bswap32((u32)x) + (x & -x) + (x & (x - 1));
        h += (u64)((int64_t)x >> (i & 63)) + (x << (i & 31)) + ((u32)x >> 3 | (u32)x << 29);
        h ^= (u64)__builtin_parityll(x) << 9 | (u64)(u8)(x >> 56) << 40;
    }
    return h;
}
static u64 copies(u64 seed)
{
    fill(seed);
    for (unsigned n = 1; n < 600; n += 7) {
        __builtin_memcpy(text + 4096, text + n, n);
        __builtin_memmove(text + 3 + (n & 15), text, n);
        __builtin_memset(text + 6000 + (n & 63), (int)n, n);
        if (__builtin_memcmp(text + 4096, text + 6000, n) > 0) text[n] ^= (u8)n;
    }
    u64 h = 0;
    for (unsigned i = 0; i < sizeof text; i++) h = h * 131 + text[i];
    return h;
}
/* A little stack machine: a jump table and indirect calls. */
static u64 plus(u64 a, u64 b) { return a + b; }
static u64 times(u64 a, u64 b) { return a * b; }
static u64 less(u64 a, u64 b) { return (int64_t)a < (int64_t)b; }
static u64 rotate(u64 a, u64 b) { return a << (b & 63) | a >> (-b & 63); }
static u64 (*const binary[])(u64, u64) = { plus, times, less, rotate };
static u64 machine(u64 seed)
{
    u64 stack[16], n = 2, x = seed;
    stack[0] = seed;
    stack[1] = ~seed;
    for (int i = 0; i < 3000; i++) {
        x = mix(x + (u64)i);
        switch (x >> 61) {
        case 0: if (n < 16) stack[n++] = x; break;
        case 1: if (n > 1) { n--; stack[n - 1] = binary[x & 3](stack[n - 1], stack[n]); } break;
        case 2: stack[n - 1] = ~stack[n - 1]; break;
        case 3: stack[n - 1] -= x & 0xffff; break;
        case 4: { u64 t = stack[0]; stack[0] = stack[n - 1]; stack[n - 1] = t; break; }
        case 5: stack[n - 1] ^= stack[x % n]; break;
        case 6: stack[n - 1] = (u64)(int64_t)(short)stack[n - 1]; break;
        default: stack[n - 1] = stack[n - 1] > x ? x : stack[n - 1]; break;
        }
    }
    u64 h = n;
    while (n) h = h * 33 + stack[--n];
    return h;
}
static u64 ackermann(u64 m, u64 n) { return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1)); }
static u64 recursion(u64 seed) { return ackermann(2, seed % 40 + 3); }
static u64 matrix(u64 seed)
{
    static u32 a[24][24], b[24][24], c[24][24];
    for (unsigned i = 0; i < 24; i++)
        for (unsigned j = 0; j < 24; j++) a[i][j] = (u32)mix(seed + i * 24 + j), b[i][j] = (u32)mix(seed ^ (j * 24 + i)), c[i][j] = 0;
    for (unsigned i = 0; i < 24; i++)
        for (unsigned j = 0; j < 24; j++)
            for (unsigned k = 0; k < 24; k++) c[i][j] += a[i][k] * b[k][j];
    u64 h = 0;
    for (unsigned i = 0; i < 24; i++) for (unsigned j = 0; j < 24; j++) h = h * 31 + c[i][j];
    return h;
}
static u64 bytes_and_words(u64 seed)
{
    fill(seed);
    short s = 0;
    signed char low = 127;
    u64 h = 0;
    for (unsigned i = 0; i + 1 < sizeof text; i++) {
        s = (short)(s + text[i] * 3 - (signed char)text[i + 1]);
        if ((signed char)text[i] < low) low = (signed char)text[i];
        if (text[i] > 200 && (u8)(text[i] + s) < 17) h += i;
        h += (unsigned short)(s ^ i) + (u8)(low + (int)i);
    }
    return h;
}

typedef u64 function(u64);
/* Ends with 0. */
function *const table[] = {
    shell_sort, quick_sort, fnv, adler, crc, parsing, divisions, wide, bit_tricks, copies, machine, recursion,
    matrix, bytes_and_words, 0,
};

#ifdef HOSTED
int main(void)
{
    for (int i = 0; table[i]; i++)
        for (u64 seed = 1; seed < 4; seed++) printf("%lx\n", table[i](seed));
    return 0;
}
#endif
