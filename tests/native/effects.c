/* What instructions do with the flags, and how often they are wanted (Intel SDM vol. 1, app. A). */
#include "sequence.h"
#include "templates.h"
#include <string.h>

/* Only these are used; a weight of 0 leaves it to items that prepare their operands. */
static const struct effect { const char *name; uint16_t reads, writes; int weight; } effects[] = {
    { "add", 0, SIX, 12 }, { "or", 0, SIX, 6 }, { "adc", CF, SIX, 14 }, { "sbb", CF, SIX, 14 },
    { "and", 0, SIX, 6 }, { "sub", 0, SIX, 12 }, { "xor", 0, SIX, 6 }, { "cmp", 0, SIX, 12 },
    { "test", 0, SIX, 10 }, { "not", 0, 0, 6 }, { "neg", 0, SIX, 14 }, { "inc", 0, SIX & ~CF, 40 },
    { "dec", 0, SIX & ~CF, 40 }, { "mul", 0, SIX, 6 }, { "imul", 0, SIX, 8 }, { "div", 0, SIX, 1 },
    { "idiv", 0, SIX, 1 }, { "rol", 0, CF | OF, 6 }, { "ror", 0, CF | OF, 6 }, { "rcl", CF, CF | OF, 6 },
    { "rcr", CF, CF | OF, 6 }, { "shl", 0, SIX, 8 }, { "shr", 0, SIX, 8 }, { "sal", 0, SIX, 3 },
    { "sar", 0, SIX, 8 }, { "shld", 0, SIX, 5 }, { "shrd", 0, SIX, 5 }, { "bt", 0, SIX, 4 },
    { "bts", 0, SIX, 3 }, { "btr", 0, SIX, 3 }, { "btc", 0, SIX, 3 }, { "bsf", 0, SIX, 4 },
    { "bsr", 0, SIX, 4 }, { "tzcnt", 0, SIX, 4 }, { "lzcnt", 0, SIX, 4 }, { "popcnt", 0, SIX, 4 },
    { "bswap", 0, 0, 4 }, { "movbe", 0, 0, 3 }, { "crc32", 0, 0, 2 }, { "mov", 0, 0, 16 },
    { "movnti", 0, 0, 2 }, { "movzx", 0, 0, 8 }, { "movsx", 0, 0, 8 }, { "movsxd", 0, 0, 6 },
    { "lea", 0, 0, 14 }, { "xchg", 0, 0, 6 }, { "xadd", 0, SIX, 6 }, { "cmpxchg", 0, SIX, 8 },
    { "cmpxchg8b", 0, ZF, 4 }, { "cbw", 0, 0, 6 }, { "cwd", 0, 0, 4 }, { "push", 0, 0, 8 },
    { "pop", 0, 0, 10 }, { "setcc", SIX, 0, 5 }, { "cmovcc", SIX, 0, 5 }, { "clc", 0, CF, 5 },
    { "stc", 0, CF, 5 }, { "cmc", CF, CF, 8 }, { "cld", 0, 0, 3 }, { "std", 0, 0, 1 },
    { "andn", 0, SIX, 3 }, { "bextr", 0, SIX, 3 }, { "blsr", 0, SIX, 4 }, { "blsmsk", 0, SIX, 4 },
    { "blsi", 0, SIX, 4 }, { "bzhi", 0, SIX, 3 }, { "pdep", 0, 0, 1 }, { "pext", 0, 0, 1 },
    { "mulx", 0, 0, 3 }, { "rorx", 0, 0, 3 }, { "shlx", 0, 0, 2 }, { "sarx", 0, 0, 2 },
    { "shrx", 0, 0, 2 }, { "adcx", CF, CF, 7 }, { "adox", OF, OF, 7 },
    { "sahf", 0, SIX & ~OF, 5 }, { "nop", 0, 0, 2 }, { "jcc", SIX, 0, 0 }, { "xlat", 0, 0, 0 },
    { "movs", 0, 0, 0 }, { "stos", 0, 0, 0 }, { "lods", 0, 0, 0 }, { "scas", 0, SIX, 0 },
    { "cmps", 0, SIX, 0 },
};

static const struct effect *effect_of(const struct template *t)
{
    for (unsigned i = 0; i < sizeof effects / sizeof *effects; i++)
        if (!strcmp(effects[i].name, t->name)) return &effects[i];
    return NULL;
}

static int weight_of(const struct template *t)
{
    const struct effect *effect = effect_of(t);
    if (t->flags & XMM) return 2;
    return effect ? effect->weight : 0;
}

const struct template *any_template(uint32_t number)
{
    static uint16_t lots[8192];
    static uint32_t count;
    for (int i = 0; !count || i; i++) {
        for (int n = weight_of(&templates[i]); n--; ) lots[count++] = (uint16_t)i;
        if (i == TEMPLATES - 1) break;
    }
    return &templates[lots[number % count]];
}

const struct template *find_template(const char *name, int map, int opcode, int digit)
{
    for (int i = 0; i < TEMPLATES; i++) {
        const struct template *t = &templates[i];
        if (t->map == map && t->opcode == opcode && t->digit == digit && !strcmp(t->name, name)) return t;
    }
    return NULL;
}

/* Flags that condition `cc` is about. */
static uint16_t condition_flags(int cc)
{
    static const uint16_t flags[8] = { OF, CF, ZF, CF | ZF, SF, PF, SF | OF, ZF | SF | OF };
    return flags[cc >> 1 & 7];
}

uint16_t flags_read(const struct template *t)
{
    const struct effect *effect = effect_of(t);
    if (!effect) return 0;
    return effect->reads == SIX ? condition_flags(t->opcode & 15) : effect->reads;
}

/* A count of -1 is not known; 0 leaves everything as it is. */
static uint16_t after_shift(const struct template *t, uint16_t before, int bits, int64_t count)
{
    int rotates = !(t->flags & DOUBLE) && t->digit < 4;
    uint16_t undefined = rotates ? 0 : AF;
    if (count >= 0) count &= bits == 64 ? 63 : 31;
    if (count == 0) return before;
    if (count != 1) undefined |= OF;
    if (!rotates && (count < 0 ? bits < 32 : count >= bits)) undefined |= CF;
    if (count < 0) return before | undefined;
    return (uint16_t)((before & (rotates ? ~(CF | OF) : 0)) | undefined);
}

uint16_t undefined_after(const struct template *t, uint16_t before, int bits, int64_t count)
{
    const struct effect *effect = effect_of(t);
    uint16_t undefined = (uint16_t)(SIX & ~t->defined);
    if (t->flags & (SHIFT | DOUBLE)) return after_shift(t, before, bits, count);
    return (uint16_t)((before & ~(effect ? effect->writes : 0)) | undefined);
}
