/* What sequences are made of: single instructions, and some that belong together. */
#include "sequence.h"
#include "templates.h"

void items(struct maker *m, uint32_t count)
{
    while (count--) item(m);
}

void plain(struct maker *m)
{
    for (int tries = 0; tries < 20; tries++) if (encode(m, any_template(draw32(m)), ANY)) return;
}

/* A string instruction, mostly with pointers and a count that fit. */
static void string(struct maker *m)
{
    static const struct { const char *name; int opcode; } all[] = {
        { "movs", 0xa5 }, { "stos", 0xab }, { "lods", 0xad }, { "scas", 0xaf }, { "cmps", 0xa7 },
    };
    uint32_t which = draw(m, 5), repeated = draw(m, 3), byte = draw(m, 4) == 0;
    uint16_t before;
    if (m->reserved & 0xc3) return;
    if (draw(m, 8)) point(m, RSI, operand_va(m, 0, 8));
    if (draw(m, 8)) point(m, RDI, one_in(m, 3) && m->known >> RSI & 1 ? m->value[RSI] + draw(m, 20) - 6 : operand_va(m, 0, 8));
    if (repeated) {
        uint64_t count = one_in(m, 60) ? (uint64_t)draw32(m) : one_in(m, 20) ? draw(m, 1500) : draw(m, 24);
        if (one_in(m, 40)) count |= (uint64_t)draw32(m) << 32;
        if (draw(m, 8)) point(m, RCX, count);
    }
    if (one_in(m, 8)) raw(m, "fd");
    else if (one_in(m, 4)) raw(m, "fc");
    before = m->undefined;
    begin(m);
    if (repeated) put(m, repeated == 1 ? 0xf3 : 0xf2, 1);
    int width = byte ? 0 : 1 + (int)draw(m, 3);
    if (width == 1) put(m, 0x66, 1);
    if (one_in(m, 10)) put(m, 0x67, 1);
    if (one_in(m, 14)) put(m, one_in(m, 2) ? 0x64 : 0x65, 1);
    if (width == 3) put(m, 0x48, 1);
    put(m, (uint64_t)all[which].opcode - byte, 1);
    if (which >= 3 && !repeated) m->undefined = 0;
    else m->undefined = before;
    forget(m, RSI), forget(m, RDI);
    if (repeated) forget(m, RCX);
    if (which == 2) forget(m, RAX);
}

static void division(struct maker *m)
{
    static const char *const high[] = { "31 d2", "99", "48 99", "ba 02 00 00 00" };
    struct wish wish = ANY;
    int is_signed = (int)draw(m, 2);
    if (m->reserved & 5) return;
    wish.width = (int)draw(m, 4);
    if (one_in(m, 2)) wish.va = DATA_VA + m->hot[draw(m, 4)];
    else do wish.rm = free_register(m); while (wish.rm == RDX || wish.rm == RAX);
    if (wish.width == 0 && wish.rm > 3) wish.rm = RBX;
    if (wish.rm >= 0 && m->reserved >> wish.rm & 1) return;
    if (draw(m, 8)) {
        struct wish odd = wish;
        odd.imm = 0x11;
        encode(m, find_template("or", 0, 0x83, 1), odd);
    }
    if (draw(m, 8)) {
        if (wish.width == 0) raw(m, is_signed ? "66 98" : "0f b6 c0"), forget(m, RAX);
        else {
            const char *const *code = &high[is_signed ? 1 + (wish.width == 3) : draw(m, 4)];
            raw(m, *code);
            if ((*code)[0] == '3') m->undefined = AF;
        }
    }
    forget(m, RDX);
    encode(m, find_template(is_signed ? "idiv" : "div", 0, 0xf7, 6 + is_signed), wish);
}

/* AND of the word at RSP with a mask; 16 or 64 bits. */
static void and_top(struct maker *m, uint32_t mask, int narrow)
{
    begin(m);
    put(m, narrow ? 0x66 : 0x48, 1), put(m, 0x242481, 3);
    put(m, mask, narrow ? 2 : 4);
    m->undefined = AF;
}

#define FLAGS_TO_POP 0x204ed5u      /* not AC, which would meet the harness; TF but seldom */

/* Flags to where they are seen: undefined ones are masked behind it, if that can be reached. */
static void prepare_flags(struct maker *m)
{
    if (m->out->at + m->out->len > (int)SEQUENCE_SIZE - 200) all_defined(m);
}

static void flags_by_stack(struct maker *m)
{
    uint32_t way = draw(m, 4);
    int narrow = one_in(m, 3), known = m->known >> RSP & 1;
    uint64_t rsp = m->value[RSP];
    if (way == 0) {                                               /* out of an immediate */
        begin(m);
        put(m, 0x68, 1), put(m, (draw32(m) & FLAGS_TO_POP & (one_in(m, 8) ? ~0u : ~0x400u)) | (one_in(m, 16) ? FLAG_TF : 0), 4);
        raw(m, "9d");
        m->undefined = 0;
        return;
    }
    if (way == 1) {                                               /* AH */
        if (m->reserved & 1) return;
        prepare_flags(m);
        uint16_t undefined = m->undefined;
        raw(m, "9f");
        forget(m, RAX);
        if (undefined) {
            begin(m);
            put(m, 0xe480, 2), put(m, (uint8_t)~undefined, 1);
            m->undefined = AF;
        }
        return;
    }
    prepare_flags(m);
    raw(m, narrow ? "66 9c" : "9c");
    if (m->undefined) and_top(m, 0xffffu & ~(uint32_t)m->undefined, narrow);
    if (known) m->value[RSP] = rsp - (narrow ? 2 : 8);
    if (way == 2) return;
    items(m, draw(m, 3));
    and_top(m, narrow ? FLAGS_TO_POP & 0xffff : FLAGS_TO_POP, narrow);
    raw(m, narrow ? "66 9d" : "9d");
    m->undefined = 0;
    if (m->known >> RSP & 1) m->value[RSP] += narrow ? 2 : 8;
}

void frame(struct maker *m)
{
    if (m->reserved & 0x30) return;
    uint32_t size = draw(m, 60), by_enter = draw(m, 2), levels = one_in(m, 3) ? draw(m, 5) : 0;
    if (by_enter && levels) point(m, RBP, DATA_VA + 0x40 + draw(m, 0x1f00));
    if (by_enter) {
        begin(m);
        m->out->insn[m->out->count - 1].partial = 1;
        put(m, 0xc8, 1), put(m, size, 2), put(m, levels, 1);
    } else {
        raw(m, "55");
        raw(m, "48 89 e5");
        begin(m);
        put(m, 0xec8348, 3), put(m, size, 1);
        m->undefined = 0;
    }
    uint64_t rsp = m->value[RSP] - 8;
    int known = m->known >> RSP & 1;
    m->value[RBP] = rsp, m->value[RSP] = rsp - size - (by_enter ? 8 * levels : 0);
    if (known) m->known |= 1u << RBP;
    else forget(m, RBP);
    m->reserved |= 1u << RBP;
    items(m, draw(m, 4));
    m->reserved &= ~(1u << RBP);
    if (draw(m, 3)) raw(m, "c9");
    else raw(m, "48 89 ec"), raw(m, "5d");
    m->value[RSP] = rsp + 8;
    if (known) m->known |= 1u << RSP;
    forget(m, RBP);
}

static void move_stack(struct maker *m)
{
    static const uint32_t edges[] = { 0, 0x1000, 0x1000, 0x2000, 0x3000 };
    if (one_in(m, 3)) point(m, RSP, DATA_VA + edges[draw(m, 5)] + draw(m, 24) - 8);
    else point(m, RSP, DATA_VA + 0x400 + draw(m, 0x1800));
}

static void push_immediate(struct maker *m, uint32_t value)
{
    begin(m);
    put(m, 0x68, 1), put(m, value, 4);
}

/* IRETQ or a far return within the ring, to what follows. */
static int far_return(struct maker *m, int near)
{
    int hole, reg = free_register(m), by_iret = (int)draw(m, 2);
    (void)near;
    all_defined(m);
    if (by_iret) {
        begin(m);
        put(m, (uint64_t)(0x48 | reg >> 3), 1), put(m, 0x89, 1), put(m, (uint64_t)(0xe0 | (reg & 7)), 1);
        push_immediate(m, draw(m, 16) ? 0x2b : 0x33);
        begin(m);
        if (reg > 7) put(m, 0x41, 1);
        put(m, (uint64_t)(0x50 | (reg & 7)), 1);
        push_immediate(m, (draw32(m) & FLAGS_TO_POP & ~0x400u) | (one_in(m, 16) ? FLAG_TF : 0));
    }
    push_immediate(m, draw(m, 20) ? 0x33 : draw(m, 2) ? 0x2b : 0);
    address_of_hole(m, reg, &hole);
    begin(m);
    if (reg > 7) put(m, 0x41, 1);
    put(m, (uint64_t)(0x50 | (reg & 7)), 1);
    raw(m, by_iret ? "48 cf" : "48 cb");
    m->undefined = 0;
    for (uint32_t n = draw(m, 6); n--; ) put(m, draw(m, 256), 1);
    return land(m, hole, m->out->len);
}

/* The same bytes twice: as an immediate, and from the second round on as instructions. */
static int hidden(struct maker *m, int near)
{
    static const uint32_t inside[] = { 0x9005c083, 0xc0ff48f8 };    /* add eax, 5; nop - clc; inc rax */
    int counter = 8 + (int)draw(m, 8);
    if (m->reserved & 1 || m->reserved >> counter & 1 || near) return 1;
    point(m, counter, 2 + draw(m, 2));
    begin(m);
    put(m, 0xb8, 1);
    int top = m->out->len;
    int which = (int)draw(m, 2), first = which ? 1 : 3;
    begin(m);
    put(m, inside[which], first);
    begin(m);
    put(m, inside[which] >> (8 * first), 4 - first);
    forget(m, RAX);
    define_flags(m);
    uint32_t reserved = m->reserved;
    m->reserved |= 1u << counter;
    items(m, draw(m, 3));
    int opcode = count_down(m, counter);
    m->reserved = reserved;
    forget(m, counter);
    return land(m, branch(m, opcode, 0), top);
}

static void translate(struct maker *m)
{
    if (m->reserved & 9) return;
    point(m, RBX, operand_va(m, 0, 1) - draw(m, 256));
    raw(m, one_in(m, 10) ? "67 d7" : "d7");
    forget(m, RAX);
}

/* MOV between the accumulator and an address of its own. */
static void absolute(struct maker *m)
{
    int width = (int)draw(m, 4), to_memory = (int)draw(m, 2), addr32 = one_in(m, 4);
    if (m->reserved & 1) return;
    begin(m);
    if (width == 1) put(m, 0x66, 1);
    if (addr32) put(m, 0x67, 1);
    if (width == 3) put(m, 0x48, 1);
    put(m, 0xa0 | (uint64_t)to_memory << 1 | (width != 0), 1);
    put(m, operand_va(m, 0, 1 << width), addr32 ? 4 : 8);
    if (!to_memory) forget(m, RAX);
}

static void ending(struct maker *m)
{
    static const char *const all[] = { "0f 0b", "f4", "fa", "cc", "ec", "0f 30", "6c", "f3 6f", "cd 05" };
    raw(m, all[draw(m, 9)]);
}

/* The pointer's page is a new one. */
static void pointer(struct maker *m)
{
    uint32_t va = operand_va(m, 1, 16);
    struct wish wish = ANY;
    int reg = free_register(m);
    if (one_in(m, 2)) { point(m, reg, va); return; }
    wish.reg = reg, wish.width = 3, wish.va = va;
    encode(m, find_template("lea", 0, 0x8d, -1), wish);
    m->value[reg] = va;
    m->known |= 1u << reg;
}

void choose(struct maker *m)
{
    uint32_t kind = draw(m, 1000);
    int deep = m->depth > 4;
    if (m->straight) plain(m);
    else if (kind < 130 && !deep) branching(m, skip_items);
    else if (kind < 170 && m->depth < 4) branching(m, loop);
    else if (kind < 195 && !deep) branching(m, call);
    else if (kind < 220 && !deep) branching(m, skip_always);
    else if (kind < 270) string(m);
    else if (kind < 290) division(m);
    else if (kind < 330 && !deep) flags_by_stack(m);
    else if (kind < 345 && !deep) frame(m);
    else if (kind < 353) move_stack(m);
    else if (kind < 357 && m->depth < 3) branching(m, hidden);
    else if (kind < 362) translate(m);
    else if (kind < 371) branching(m, far_return);
    else if (kind < 372) ending(m);
    else if (kind < 382) absolute(m);
    else if (kind < 425) pointer(m);
    else plain(m);
}
