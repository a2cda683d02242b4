/* Where control goes in a sequence: over something, round and round, into functions and back. */
#include "sequence.h"
#include "templates.h"
#include <string.h>

/* Does `make` with short branches, and with near ones if something is too far away. */
void branching(struct maker *m, int (*make)(struct maker *, int near))
{
    struct maker before = *m;
    uint16_t len = m->out->len;
    int count = m->out->count, near = one_in(m, 4);
    if (make(m, near)) return;
    *m = before;
    m->out->len = len;
    m->out->count = count;
    (void)draw(m, 4);
    make(m, 1);
}

/* A branch to a place that is not known yet; `opcode` of the short form. Returns where its target goes. */
int branch(struct maker *m, int opcode, int near)
{
    begin(m);
    if (opcode >= 0xe0 && opcode < 0xe4 && one_in(m, 8)) put(m, 0x67, 1);       /* counts in ECX */
    else if ((opcode < 0xe0 || opcode > 0xe3) && one_in(m, 40)) put(m, one_in(m, 2) ? 0xf2 : 0x2e, 1);
    if (!near || (opcode >= 0xe0 && opcode < 0xe8)) put(m, (uint64_t)opcode, 1);
    else if (opcode == 0xeb) put(m, 0xe9, 1);
    else if (opcode == 0xe8) put(m, 0xe8, 1);
    else put(m, 0x0f, 1), put(m, (uint64_t)opcode + 0x10, 1);
    int bytes = (near && !(opcode >= 0xe0 && opcode < 0xe8)) || opcode == 0xe8 ? 4 : 1;
    put(m, 0, bytes);
    return (m->out->len - bytes) << 3 | bytes;
}

/* Lets a branch go to offset `to`. False: it cannot. */
int land(struct maker *m, int hole, int to)
{
    int at = hole >> 3, bytes = hole & 7, distance = to - (at + bytes);
    if (bytes == 1 && distance != (int8_t)distance) return 0;
    memcpy(m->out->code + at, &distance, (size_t)bytes);
    return 1;
}

static int here(const struct maker *m) { return m->out->len; }

/* Two ways lead here: the one on which `before` held, and the present one. */
static void join(struct maker *m, const struct maker *before)
{
    m->undefined |= before->undefined;
    for (int i = 0; i < 16; i++) if (m->value[i] != before->value[i]) forget(m, i);
    m->known &= before->known;
}

void all_defined(struct maker *m)
{
    if (m->undefined) define_flags(m);
}

/* A condition whose flags mean something. */
static int condition(struct maker *m)
{
    for (int tries = 0; tries < 8; tries++) {
        int cc = (int)draw(m, 16);
        if (!(flags_read(find_template("jcc", 0, 0x70 + cc, -1)) & m->undefined)) return cc;
    }
    define_flags(m);
    return (int)draw(m, 16);
}

int skip_items(struct maker *m, int near)
{
    static const char *const producers[] = { "cmp", "test", "sub", "add", "and", "or", "xor", "inc", "dec", "neg" };
    static const int opcodes[] = { 0x39, 0x85, 0x29, 0x01, 0x21, 0x09, 0x31, 0xff, 0xff, 0xf7 };
    static const int digits[] = { -1, -1, -1, -1, -1, -1, -1, 0, 1, 3 };
    uint32_t which = draw(m, 14);
    if (which < 10) {
        if (which < 7 && one_in(m, 3)) encode(m, find_template(producers[which], 0, opcodes[which] + 2, -1) ?: find_template("test", 0, 0xf7, 0), ANY);
        else if (which < 7 && which != 1 && one_in(m, 2)) encode(m, find_template(producers[which], 0, 0x83, opcodes[which] >> 3), ANY);
        else encode(m, find_template(producers[which], 0, opcodes[which], digits[which]), ANY);
        if (one_in(m, 6)) plain(m);
    }
    int opcode = one_in(m, 8) ? 0xe3 : 0x70 + condition(m);
    if (one_in(m, 12) && !(m->reserved & 2)) {
        opcode = 0xe0 + (int)draw(m, 3);
        if (m->undefined & ZF) define_flags(m);
        forget(m, RCX);
    }
    int hole = branch(m, opcode, near);
    struct maker before = *m;
    items(m, 1 + draw(m, 3));
    join(m, &before);
    return land(m, hole, here(m));
}

void address_of_hole(struct maker *m, int reg, int *at)
{
    begin(m);
    put(m, (uint64_t)(0x48 | (reg >> 3) << 2), 1), put(m, 0x8d, 1), put(m, (uint64_t)(5 | (reg & 7) << 3), 1);
    put(m, 0, 4);
    *at = (m->out->len - 4) << 3 | 4;
    forget(m, reg);
}

static void indirect(struct maker *m, int digit, int reg)
{
    begin(m);
    if (reg > 7) put(m, 0x41, 1);
    put(m, 0xff, 1), put(m, (uint64_t)(0xc0 | digit << 3 | (reg & 7)), 1);
}

/* Over something: directly, through a register, through memory, or by a return. */
int skip_always(struct maker *m, int near)
{
    uint32_t way = draw(m, 6);
    int hole, reg = free_register(m);
    struct wish wish = ANY;
    if (way < 3) hole = branch(m, 0xeb, near);
    else {
        all_defined(m);
        address_of_hole(m, reg, &hole);
        if (way == 3) indirect(m, 4, reg);
        else if (way == 4) {
            wish.reg = reg, wish.width = 3, wish.va = DATA_VA + m->hot[draw(m, 4)];
            if (!encode(m, find_template("mov", 0, 0x89, -1), wish)) return land(m, hole, here(m));
            wish.reg = -1;
            encode(m, find_template("jmp", 0, 0xff, 4), wish);
        } else {
            begin(m);
            if (reg > 7) put(m, 0x41, 1);
            put(m, (uint64_t)(0x50 | (reg & 7)), 1);
            raw(m, one_in(m, 3) ? "f3 c3" : "c3");
        }
    }
    struct maker before = *m;
    if (one_in(m, 3)) {                                           /* bytes that nobody executes */
        for (uint32_t n = draw(m, 12); n--; ) put(m, draw(m, 256), 1);
    } else items(m, 1 + draw(m, 3));
    uint32_t draws = m->draws, children = m->children;
    *m = before;
    m->draws = draws, m->children = children;
    return land(m, hole, here(m));
}

/* The counting at the end of a loop; returns the opcode of the branch back. */
int count_down(struct maker *m, int counter)
{
    struct wish wish = ANY;
    uint32_t reserved = m->reserved;
    int opcode = 0x75;
    m->reserved &= ~(1u << counter);
    wish.rm = counter, wish.width = 2 + (int)draw(m, 2), wish.imm = 1;
    switch (draw(m, 5)) {
    case 0:
        if (m->undefined & CF) define_flags(m);
        encode(m, find_template("dec", 0, 0xff, 1), wish);
        break;
    case 1:
        encode(m, find_template("sub", 0, 0x83, 5), wish);
        opcode = one_in(m, 2) ? 0x7f : 0x77;                      /* jg, ja */
        break;
    case 2:
        wish.imm = -1;
        encode(m, find_template("add", 0, 0x83, 0), wish);
        break;
    case 3:
        wish.width = 3;
        encode(m, find_template("dec", 0, 0xff, 1), wish);
        wish.imm = 0;
        encode(m, find_template("cmp", 0, 0x83, 7), wish);
        opcode = one_in(m, 2) ? 0x7f : 0x75;
        break;
    default:
        encode(m, find_template("sub", 0, 0x83, 5), wish);
    }
    m->reserved = reserved;
    return opcode;
}

int loop(struct maker *m, int near)
{
    int by_loop = !(m->reserved & 2) && one_in(m, 3), counter = by_loop ? RCX : 8 + (int)draw(m, 8), opcode;
    if (m->reserved >> counter & 1) return 1;
    uint32_t rounds = 1 + draw(m, one_in(m, 6) ? 30 : 4);
    uint32_t reserved = m->reserved;
    if (!near && by_loop && one_in(m, 4)) {                       /* maybe not a single round */
        point(m, RCX, draw(m, 4));
        m->reserved |= 2;
        all_defined(m);
        int hole = branch(m, 0xe3, 0), top = here(m);
        items(m, 1 + draw(m, 3));
        all_defined(m);
        int back = branch(m, 0xe2, 0);
        m->reserved = reserved;
        forget(m, RCX);
        return land(m, back, top) && land(m, hole, here(m));
    }
    point(m, counter, rounds);
    m->reserved |= 1u << counter;
    int top = here(m);
    uint16_t undefined = m->undefined;
    items(m, 1 + draw(m, 5));
    if (by_loop && !near) {
        opcode = one_in(m, 3) ? 0xe0 + (int)draw(m, 2) : 0xe2;
        if (opcode != 0xe2 && m->undefined & ZF) define_flags(m);
    } else opcode = count_down(m, counter);
    if (m->undefined & ~undefined) {
        if (opcode < 0xe0) return 1;                              /* cannot be: counting defines */
        define_flags(m);
    }
    m->reserved = reserved;
    forget(m, counter);
    return land(m, branch(m, opcode, near), top);
}

static void function_body(struct maker *m)
{
    if (draw(m, 3)) frame(m);                                     /* what it pushes, it pops */
    else items(m, 1 + draw(m, 4));
    all_defined(m);
    if (one_in(m, 6)) raw(m, "c2 08 00");
    else raw(m, one_in(m, 8) ? "f3 c3" : one_in(m, 8) ? "f2 c3" : "c3");
}

/* A function in the way, called from behind it, or from in front of it. */
int call(struct maker *m, int near)
{
    int hole, over, target, times = 1 + (int)draw(m, 3);
    uint16_t undefined;
    all_defined(m);
    if (one_in(m, 2)) {
        hole = branch(m, 0xe8, 1);
        over = branch(m, 0xeb, near);
        undefined = m->undefined;
        land(m, hole, here(m));
        function_body(m);
        m->undefined = undefined;
        return land(m, over, here(m));
    }
    over = branch(m, 0xeb, near);
    target = here(m);
    function_body(m);
    m->undefined = 0;
    if (!land(m, over, here(m))) return 0;
    while (times--) {
        all_defined(m);
        if (one_in(m, 3)) {
            int reg = free_register(m);
            address_of_hole(m, reg, &hole);
            land(m, hole, target);
            indirect(m, 2, reg);
        } else land(m, branch(m, 0xe8, 1), target);
        if (one_in(m, 3)) item(m);
    }
    return 1;
}
