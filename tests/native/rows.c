/* Rows from templates: random registers, every addressing form, operands at the edges of pages. */
#include "bare.h"
#include <string.h>

static uint32_t seed_now, draws;
static uint32_t draw(uint32_t below) { return mix(seed_now, 1000 + draws++) % below; }
static uint32_t draw32(void) { return mix(seed_now, 1000 + draws++); }

const char *template_name(int t) { return t < TEMPLATES ? templates[t].name : bare[t - TEMPLATES].name; }

static void override(struct row *row, int reg, uint64_t value)
{
    for (int i = 0; i < row->overrides; i++)
        if (row->over[i].reg == reg) { row->over[i].value = value; return; }
    row->over[row->overrides++] = (struct override){ (uint8_t)reg, value };
}

static uint64_t register_now(const struct row *row, int reg)
{
    static struct state state;
    initial_state(row, &state);
    return state.regs[reg];
}

/* An address for an operand: mostly inside, sometimes across a page, read-only or unmapped. */
static uint32_t target(const struct template *t)
{
    uint32_t kind = draw(20), at;
    if (kind == 0) at = 0xff1 + draw(15);                        /* into the second page */
    else if (kind == 1) at = 0x1ff1 + draw(15);                  /* into the read-only one */
    else if (kind == 2) at = 0x2000 + draw(0xf00);               /* read-only */
    else if (kind == 3) at = 0x2ff1 + draw(40);                  /* into nothing, or in it */
    else if (kind == 4) at = (uint32_t)-1 - draw(40);            /* in front, or half in front */
    else at = 0x20 + draw(0x1f00);
    if ((t->flags & (ALIGNED | PAIR)) && draw(8)) at &= ~15u;
    if (t->flags & AREA && draw(12)) at &= t->flags & HEADER ? ~63u : ~15u;
    return DATA_VA + at;
}

struct code { uint8_t bytes[24]; int len; int rip_at; uint32_t rip_target; };
static void put(struct code *c, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) c->bytes[c->len++] = (uint8_t)(value >> (8 * i));
}

/* ModRM, SIB and displacement for `va`; chooses base and index and sets them. Returns REX bits X and B. */
static int memory_form(const struct template *t, struct row *row, struct code *c, int reg, uint32_t va, int addr32)
{
    int form = (int)draw(7), base = (int)draw(16), index = (int)draw(16), scale = (int)draw(4), mod = 0;
    uint64_t high = addr32 ? (uint64_t)draw32() << 32 : 0;
    uint32_t disp = 0;
    if ((t->flags & STACK) && base == RSP) base = RBX;
    if ((t->flags & AREA) && (base == RAX || base == RDX)) base = RBX; /* they choose components */
    if (form == 0) {                                             /* RIP-relative */
        put(c, (uint32_t)((reg & 7) << 3 | 5), 1);
        c->rip_at = c->len;
        c->rip_target = va;
        put(c, 0, 4);
        return 0;
    }
    if (form == 1) {                                             /* absolute, or index only */
        if (t->flags & (DIVIDE | AREA)) index = RSP;             /* none */
        uint64_t n = draw(16);
        if (index != RSP) override(row, index, high | n);
        put(c, (uint32_t)((reg & 7) << 3 | 4), 1);
        put(c, (uint32_t)(scale << 6 | (index & 7) << 3 | 5), 1);
        put(c, va - (index != RSP ? (uint32_t)(n << scale) : 0), 4);
        return (index >> 3) << 1;
    }
    mod = (int)draw(3);
    if ((base & 7) == 5 && mod == 0) mod = 1;
    if (mod == 1) disp = (uint32_t)(int32_t)(int8_t)draw32();
    else if (mod == 2) disp = draw32() & 0x7ffff;
    int with_sib = form >= 4 || (base & 7) == 4;
    uint64_t offset = (uint64_t)(int64_t)(int32_t)disp;
    if (form >= 4 && index != base && index != RSP && !(t->flags & (DIVIDE | COMPARE | PAIR | AREA)))
        offset += register_now(row, index) << scale;
    else index = RSP;
    override(row, base, addr32 ? ((va - offset) & 0xffffffff) | high : va - offset);
    put(c, (uint32_t)(mod << 6 | (reg & 7) << 3 | (with_sib ? 4 : base & 7)), 1);
    if (with_sib) put(c, (uint32_t)(scale << 6 | (index & 7) << 3 | (base & 7)), 1);
    put(c, disp, mod == 1 ? 1 : mod == 2 ? 4 : 0);
    return (with_sib ? (index >> 3) << 1 : 0) | base >> 3;
}

/* Flags that stay defined, and operands that make the interesting cases likely. */
static void shift_defined(struct row *row, const struct template *t, int bits, uint32_t imm)
{
    uint32_t count = t->imm == IMM8 ? imm : t->opcode == 0xd1 ? 1 : (uint32_t)register_now(row, RCX);
    count &= bits == 64 ? 63 : 31;
    if (count == 0) return;
    if (t->flags & DOUBLE || t->digit >= 4) row->defined &= (uint16_t)~0x10;
    if (count > 1) row->defined &= (uint16_t)~0x800;
    if ((t->flags & DOUBLE || t->digit >= 4) && count >= (uint32_t)bits) row->defined &= (uint16_t)~0x1;
    if ((t->flags & DOUBLE) && count > (uint32_t)bits) row->len = 0;
}

static void poke(struct row *row, uint64_t va, uint64_t value)
{
    if (va >= DATA_VA && va + 8 <= DATA_VA + DATA_SIZE && row->pokes < MAX_POKES)
        row->poke[row->pokes++] = (struct poke){ (uint16_t)(va - DATA_VA), value };
}

/* Selectors as Linux has them: null, the ring's own, the kernel's, an LDT that is not there, and beyond. */
static uint16_t selector(void)
{
    static const uint16_t all[] = { 0, 3, 0x2b, 0x28, 0x33, 0x30, 0x23, 0x10, 0x18, 8, 0xb, 7, 0x2f, 0xfff8 };
    return all[draw(sizeof all / sizeof *all)];
}
static uint16_t code_selector(void)
{
    static const uint16_t all[] = { 0, 0x30, 0x2b, 0x10, 0x13, 0x37, 0xfffb, 0x18 };
    return draw(4) ? 0x33 : all[draw(sizeof all / sizeof *all)];
}

/* What a return to a selector finds on the stack. */
static void frame(struct row *row, const struct template *t, int bits)
{
    uint64_t rsp = register_now(row, RSP), size = (uint64_t)bits / 8;
    uint64_t word[5] = { CODE_VA + draw(0x700), code_selector(), (draw32() & FLAG_MASK) | 0x202,
                         DATA_VA + 0x800 + draw(0x800), draw(4) ? 0x2b : selector() };
    uint64_t at[5];
    if (draw(12) == 0) {
        word[0] = 0x800000000000;
        word[1] = 0x33;                                          /* one fault at a time */
        word[4] = 0x2b;
    }
    /* Narrow words overlap as pokes of eight bytes: from the top. */
    for (int i = t->opcode == 0xcf ? 4 : 1; i >= 0; i--) {
        at[i] = rsp + (uint64_t)i * size;
        uint64_t above = 0;
        for (int j = 1; i + j < 5 && (uint64_t)j * size < 8; j++) above |= word[i + j] << (8 * size * (uint64_t)j);
        poke(row, at[i], size == 8 ? word[i] : (word[i] & ((1ull << (8 * size)) - 1)) | above);
    }
}

/* The area of FXRSTOR and XRSTOR: mostly one that can be loaded. */
static void area(struct row *row, const struct template *t, uint32_t va)
{
    row->has_area = 1;
    row->area = (uint16_t)(va - DATA_VA);
    override(row, RAX, draw(4));
    override(row, RDX, 0);
    if (draw(8)) poke(row, va + 24, (draw32() & 0xffff) | (draw(8) ? 0 : 0x100000));
    if (!(t->flags & HEADER)) return;
    uint64_t format = draw(3) ? 0 : 1ull << 63 | draw(4);
    poke(row, va + 512, draw(6) ? draw(4) & (format ? format : 3) : draw(4) | (draw(2) ? 1ull << 62 : 0));
    poke(row, va + 520, format);
    if (draw(6)) for (uint32_t i = 528; i < 576; i += 8) poke(row, va + i, 0);
}

static void selectors(struct row *row, const struct template *t, int bits, int is_reg, int rm, uint32_t va)
{
    uint64_t rest = (uint64_t)draw32() << 16, size = (uint64_t)bits / 8;
    if (t->flags & FAR) {
        uint64_t to = t->flags & SELECTOR ? draw32() : CODE_VA + draw(0x700);
        uint16_t which = t->flags & SELECTOR ? selector() : code_selector();
        poke(row, va, (to & ((1ull << (8 * size)) - 1)) | (uint64_t)which << (8 * size));
    } else if (t->opcode == 0xa9 && t->map == 1) poke(row, register_now(row, RSP), selector() | rest);
    else if (is_reg) override(row, rm, selector() | rest);
    else poke(row, va, selector() | rest);
}

static void prepare(struct row *row, const struct template *t, int bits, uint32_t va)
{
    static struct state state;
    if (t->flags & DIVIDE && draw(4)) {
        uint64_t rax = register_now(row, RAX);
        override(row, RDX, t->digit == 7 && (rax >> (bits - 1)) & 1 ? ~0ull : draw(3) ? 0 : draw(64));
    }
    if (t->flags & (COMPARE | PAIR) && draw(2) && va >= DATA_VA && va + 16 <= DATA_VA + DATA_SIZE) {
        initial_state(row, &state);
        uint64_t low, high;
        memcpy(&low, state.memory + (va - DATA_VA), 8);
        memcpy(&high, state.memory + (va - DATA_VA) + (bits == 64 ? 8 : 4), 8);
        override(row, RAX, low);
        if (t->flags & PAIR) override(row, RDX, high);
    }
    /* Narrow frames are read with more bytes than they have. */
    if (t->flags & STACK && draw(12) == 0 && !(t->flags & FRAME && bits < 64))
        override(row, RSP, draw(2) ? DATA_VA + draw(9) : DATA_VA + DATA_SIZE + READONLY_SIZE - draw(9));
    if (t->flags & LOOPS) override(row, RCX, draw(3) ? draw(3) : (uint64_t)1 << 32);
    if (t->flags & POPF) {
        uint64_t rsp = register_now(row, RSP);
        /* From elsewhere it could take TF or AC, which would meet the harness. */
        if (rsp > DATA_VA + DATA_SIZE - 8) { row->len = 0; return; }
        row->poke[row->pokes++] = (struct poke){ (uint16_t)(rsp - DATA_VA), (draw32() & FLAG_MASK) | 0x202 };
    }
    if (t->flags & TARGET) {
        uint64_t where = draw(8) ? CODE_VA + draw(0x700) : draw(2) ? 0x800000000000 : DATA_VA;
        uint64_t at = t->map == 0 && t->opcode != 0xff ? register_now(row, RSP) : va;
        if (at >= DATA_VA && at + 8 <= DATA_VA + DATA_SIZE)
            row->poke[row->pokes++] = (struct poke){ (uint16_t)(at - DATA_VA), where };
    }
    if ((t->opcode == 0xc9 || (t->opcode == 0xc8 && draw(4))) && t->map == 0)
        override(row, RBP, draw(8) ? DATA_VA + 0x100 + draw(0x1e00) : DATA_VA + draw(0x100));
    if (t->flags & FRAME) frame(row, t, bits);
    if (t->flags & AREA) area(row, t, va);
}

static void string_operands(struct row *row, struct code *c, const struct template *t)
{
    row->directed = 1;
    override(row, RSI, DATA_VA + (draw(6) ? 0x200 + draw(0x1a00) : 0xfe0 + draw(0x40)));
    override(row, RDI, draw(8) ? DATA_VA + 0x200 + draw(0x1c00) : DATA_VA + 0x1fc0 + draw(0x60));
    if (draw(5) == 0) override(row, RDI, row->over[0].value + draw(5));
    if (t->opcode == 0xd7) override(row, RBX, DATA_VA + draw(0x1e00));
    else if (draw(3)) {
        override(row, RCX, draw(8) ? draw(40) : draw(300));
        put(c, draw(2) ? 0xf3 : 0xf2, 1);
    }
}

/* The prefix of VEX: R, X and B of `rex`, inverted; the second source. */
static void put_vex(struct code *c, const struct template *t, int rex)
{
    int pp = t->prefix == 0x66 ? 1 : t->prefix == 0xf3 ? 2 : t->prefix == 0xf2 ? 3 : 0;
    int source = t->map == 3 ? 0 : (int)draw(16);
    put(c, 0xc4, 1);
    put(c, (uint32_t)((~rex & 7) << 5 | t->map), 1);
    put(c, (uint32_t)((rex & 8) << 4 | (~source & 15) << 3 | pp), 1);
    put(c, (uint32_t)t->opcode, 1);
}

static void begin_row(struct row *row, uint32_t seed)
{
    memset(row, 0, sizeof *row);
    seed_now = seed;
    draws = 0;
    row->seed = seed;
    row->at = (uint16_t)(0x800 + draw(64));
}

static int bare_row(int number, uint32_t seed, struct row *row)
{
    if (number >= BARE) return 0;
    begin_row(row, seed);
    row->defined = ALL;
    row->x87 = (bare[number].flags & X87) != 0;
    row->stepped = !(bare[number].flags & NO_STEP) && draw(6) == 0;
    row->len = bare[number].len;
    memcpy(row->code, bare[number].bytes, row->len);
    return 1;
}

static void put_immediate(struct row *row, struct code *c, const struct template *t, int width, uint32_t imm)
{
    if (t->imm == IMM8 || t->imm == REL8 || (t->imm == IMMZ && width == 0)) put(c, imm, 1);
    else if (t->imm == IMM16) {
        put(c, imm & 0xff, 2);
        if (t->opcode != 0xc8) return;
        uint32_t levels = draw(2) ? 0 : draw(2) ? draw(4) : draw(256);
        row->partial = 1;
        put(c, levels, 1);
    } else if (t->imm == REL32) put(c, draw(0x1000) - 0x900, 4);
    else if (t->imm == IMMZ || (t->imm == IMMV && width < 3)) put(c, imm, width == 1 ? 2 : 4);
    else if (t->imm == IMMV) { put(c, imm, 4); put(c, draw32(), 4); }
}

/* Jumps to itself, for ever, and calls of the kernel. */
static int is_unfit(const struct code *c, const struct template *t)
{
    if (c->len > 15) return 1;
    if (t->opcode == 0xcd && t->map == 0) return c->bytes[c->len - 1] == 0x80;
    if (t->imm != REL8 && t->imm != REL32) return 0;
    int32_t relative = (int8_t)c->bytes[c->len - 1];
    if (t->imm == REL32) memcpy(&relative, c->bytes + c->len - 4, 4);
    return relative < 0 && relative >= -c->len;
}

int make_row(int number, uint32_t seed, struct row *row)
{
    if (number >= TEMPLATES) return bare_row(number - TEMPLATES, seed, row);
    const struct template *t = &templates[number];
    struct code c = { .rip_at = 0 }, operand = { .rip_at = 0 };
    begin_row(row, seed);
    row->defined = (uint16_t)t->defined;
    row->vectors = (t->flags & XMM) != 0;
    row->x87 = (t->flags & X87) != 0;
    row->stepped = !(t->flags & NO_STEP) && draw(16) == 0;
    row->many = (t->flags & (AREA | FRAME)) != 0;
    row->partial = t->flags & FAR && t->flags & STACK;
    int width;
    do width = (int)draw(4); while (!(t->widths >> width & 1));
    int bits = 8 << width, rex = 0, rex_there = (int)draw(4) == 0;
    int reg = t->digit >= 0 ? t->digit : (int)draw(16), rm = (int)draw(16), is_reg = 1, addr32 = 0;
    uint32_t va = 0, imm = draw(3) ? draw32() : draw(70);
    int opcode = t->opcode - (width == 0 && (t->widths & ~W8) && !(t->flags & (SOURCE8 | SOURCE16)) ? 1 : 0);
    if (t->digit < 0 && reg > 7) rex |= 4;
    if (!(t->flags & (NO_MODRM | IN_OPCODE))) {
        is_reg = t->flags & NO_REG ? 0 : t->flags & NO_MEM ? 1 : draw(3) == 0;
        if (is_reg) {
            put(&operand, (uint32_t)(0xc0 | (reg & 7) << 3 | (rm & 7)), 1);
            rex |= rm >> 3;
        } else {
            va = target(t);
            addr32 = draw(12) == 0;
            rex |= memory_form(t, row, &operand, reg, va, addr32);
        }
    } else if (t->flags & IN_OPCODE) {
        opcode |= rm & 7;
        rex |= rm >> 3;
    }
    if (t->flags & BITS && !is_reg) override(row, reg, (uint64_t)(int64_t)((int)draw(2000) - 1000));
    if (!is_reg && t->flags & LOCKABLE && draw(4) == 0) put(&c, 0xf0, 1);
    if (draw(40) == 0 && t->flags & LOCKABLE) put(&c, 0xf0, 1);  /* also where it is not allowed */
    if (width == 1) put(&c, 0x66, 1);
    if (addr32) put(&c, 0x67, 1);
    if (t->flags & STRING) string_operands(row, &c, t);
    if (width == 3 && !(t->flags & DEFAULT64)) rex |= 8;
    if (t->flags & VEX) put_vex(&c, t, rex);
    else {
        if (t->prefix) put(&c, (uint32_t)t->prefix, 1);
        if (rex || rex_there) put(&c, (uint32_t)(0x40 | rex), 1);
        if (t->map) put(&c, 0x0f, 1);
        if (t->map == 2) put(&c, 0x38, 1);
        put(&c, (uint32_t)opcode, 1);
    }
    int operand_at = c.len;
    memcpy(c.bytes + c.len, operand.bytes, (size_t)operand.len);
    c.len += operand.len;
    put_immediate(row, &c, t, width, imm);
    if (operand.rip_at) {
        uint32_t next = CODE_VA + row->at + (uint32_t)c.len, disp = operand.rip_target - next;
        memcpy(c.bytes + operand_at + operand.rip_at, &disp, 4);
    }
    if (is_unfit(&c, t)) return -1;
    memcpy(row->code, c.bytes, (size_t)c.len);
    row->len = (uint8_t)c.len;
    prepare(row, t, bits, va);
    if (t->flags & (SELECTOR | FAR)) selectors(row, t, bits, is_reg, rm, va);
    if (t->flags & (SHIFT | DOUBLE)) shift_defined(row, t, bits, imm & 0xff);
    return row->len ? 1 : -1;
}
