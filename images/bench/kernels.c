/*
 * CRC-32, SHA-256 and quicksort: what the benchmark runs in the interpreter and, compiled from this
 * very file, natively. Everything works on static buffers; each bench_* returns a number to compare.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define BUFFER_SIZE 65536
#define SORT_MAX 65536

u8 bench_buffer[BUFFER_SIZE];
static u32 sort_buffer[SORT_MAX];
static u32 crc_table[256];

/* The same bytes everywhere: a linear congruential generator, top byte of each step. */
void bench_fill(u64 len)
{
    u32 x = 1;

    for (u64 i = 0; i < len && i < BUFFER_SIZE; i++) {
        x = x * 1664525u + 1013904223u;
        bench_buffer[i] = x >> 24;
    }
}

static void crc_init(void)
{
    for (u32 i = 0; i < 256; i++) {
        u32 c = i;

        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        crc_table[i] = c;
    }
}

/* buf 0 means bench_buffer, filled here. */
u64 bench_crc32(const u8 *buf, u64 len)
{
    u32 crc = ~0u;

    if (!buf) {
        bench_fill(len);
        buf = bench_buffer;
        len = len > BUFFER_SIZE ? BUFFER_SIZE : len;
    }
    if (!crc_table[1])
        crc_init();
    for (u64 i = 0; i < len; i++)
        crc = crc_table[(crc ^ buf[i]) & 0xff] ^ crc >> 8;
    return (u32)~crc;
}

static const u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static u32 rotr(u32 x, int n)
{
    return x >> n | x << (32 - n);
}

static void sha256_block(u32 h[8], const u8 *p)
{
    u32 w[64], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];

    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        u32 s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
        u32 s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;

        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    for (int i = 0; i < 64; i++) {
        u32 t1 = k + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
        u32 t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

        k = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += k;
}

/* The first eight bytes of the digest, big endian. */
u64 bench_sha256(const u8 *buf, u64 len)
{
    u32 h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    u8 last[128];
    u64 i = 0, n;

    if (!buf) {
        bench_fill(len);
        buf = bench_buffer;
        len = len > BUFFER_SIZE ? BUFFER_SIZE : len;
    }
    for (; len - i >= 64; i += 64)
        sha256_block(h, buf + i);
    n = len - i < 56 ? 64 : 128;
    for (u64 j = 0; j < n; j++)
        last[j] = i + j < len ? buf[i + j] : i + j == len ? 0x80 : 0;
    for (int j = 0; j < 8; j++)
        last[n - 1 - j] = len * 8 >> (8 * j);
    sha256_block(h, last);
    if (n == 128)
        sha256_block(h, last + 64);
    return (u64)h[0] << 32 | h[1];
}

static void quicksort(u32 *v, long lo, long hi)
{
    while (lo < hi) {
        u32 pivot = v[lo + (hi - lo) / 2];
        long i = lo, j = hi;

        while (i <= j) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i <= j) {
                u32 t = v[i];

                v[i++] = v[j];
                v[j--] = t;
            }
        }
        if (j - lo < hi - i) {
            quicksort(v, lo, j);
            lo = i;
        } else {
            quicksort(v, i, hi);
            hi = j;
        }
    }
}

/* Sorts n pseudo-random numbers; a hash over the sorted order, or 0 if it is not sorted. */
u64 bench_quicksort(u64 n)
{
    u64 hash = 0xcbf29ce484222325ul;
    u32 x = 1;

    if (n > SORT_MAX)
        n = SORT_MAX;
    for (u64 i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        sort_buffer[i] = x ^ x >> 15;
    }
    quicksort(sort_buffer, 0, (long)n - 1);
    for (u64 i = 0; i < n; i++) {
        if (i && sort_buffer[i - 1] > sort_buffer[i])
            return 0;
        hash = (hash ^ sort_buffer[i]) * 0x100000001b3ul;
    }
    return hash;
}
