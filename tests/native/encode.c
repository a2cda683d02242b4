/* One instruction of a sequence: its operands where they are wanted, its bytes, and what is known
 * behind it. */
#include "sequence.h"
#include "templates.h"
#include <stdlib.h>
#include <string.h>

uint32_t draw32(struct maker *m) { return mix(m->stream, 1000 + m->draws++); }
uint32_t draw(struct maker *m, uint32_t below) { return draw32(m) % below; }
int one_in(struct maker *m, uint32_t n) { return draw(m, n) == 0; }

void put(struct maker *m, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) m->out->code[m->out->len++] = (uint8_t)(value >> (8 * i));
}

void begin(struct maker *m)
{
    if (m->out->count == MAX_INSNS) abort();
    m->out->insn[m->out->count].at = (uint16_t)(m->out->at + m->out->len);
    m->out->insn[m->out->count].partial = 0;
    m->out->insn[m->out->count++].undefined = m->undefined;
}

void raw(struct maker *m, const char *hex)
{
    begin(m);
    for (; *hex; hex += hex[2] ? 3 : 2) put(m, strtoul(hex, NULL, 16), 1);
}

void forget(struct maker *m, int reg) { m->known &= ~(1u << reg); }
static int is_known(const struct maker *m, int reg) { return m->known >> reg & 1; }
static void learn(struct maker *m, int reg, uint64_t value)
{
    m->value[reg] = value;
    m->known |= 1u << reg;
}

static int is_pointer(const struct maker *m, int reg)
{
    return is_known(m, reg) && m->value[reg] - (DATA_VA - 0x1000) < 0x6000;
}

/* A register to write: seldom a pointer, hardly ever the stack's, never one that is reserved. */
static int written(struct maker *m)
{
    for (;;) {
        int reg = (int)draw(m, 16);
        if (m->reserved >> reg & 1) continue;
        if (reg == RSP && !one_in(m, 12)) continue;
        if (is_pointer(m, reg) && !one_in(m, 4)) continue;
        return reg;
    }
}

int free_register(struct maker *m)
{
    int reg;
    do reg = written(m); while (reg == RSP);
    return reg;
}

/* Mostly inside, and where others have been; sometimes across pages, read-only or unmapped. */
uint32_t operand_va(struct maker *m, int aligned, int size)
{
    uint32_t kind = draw(m, 120), at;
    if (kind < 5) at = 0xff1 + draw(m, 15);                       /* into the second page */
    else if (kind < 8) at = 0x1ff1 + draw(m, 15);                 /* into the read-only one */
    else if (kind < 10) at = 0x2000 + draw(m, 0xf00);             /* read-only */
    else if (kind == 10) at = 0x2ff1 + draw(m, 40);               /* into nothing, or in it */
    else if (kind == 11) at = (uint32_t)-1 - draw(m, 40);         /* in front, or half in front */
    else if (kind == 12) return SEQUENCE_VA + m->out->at + draw(m, 64);
    else if (kind < 60) at = m->hot[draw(m, 4)] + draw(m, 2) * draw(m, (uint32_t)size + 1);
    else at = 0x20 + draw(m, 0x1f00);
    if (aligned && draw(m, 12)) at &= ~15u;
    return DATA_VA + at;
}

struct code { uint8_t bytes[24]; int len, rip_at; uint32_t rip_target; int rex; };
static void add(struct code *c, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) c->bytes[c->len++] = (uint8_t)(value >> (8 * i));
}

static int fits(int64_t value) { return value == (int32_t)value; }

/* base + index * scale + displacement = offset, from registers that are known. */
static int from_registers(struct maker *m, struct code *c, int reg, uint64_t offset, int addr32)
{
    int base = (int)draw(m, 16), index = RSP, scale = (int)draw(m, 4), mod, with_sib;
    int64_t disp = 0;
    for (int i = 0; ; i++, base = (base + 1) & 15) {
        if (i == 16) return 0;
        if (!is_known(m, base)) continue;
        disp = (int64_t)(offset - m->value[base]);
        if (addr32) disp = (int32_t)disp;
        if (!fits(disp)) continue;
        if (i < 12 && disp != (int8_t)disp && draw(m, 3)) continue;
        break;
    }
    if (one_in(m, 3)) {
        index = (int)draw(m, 16);
        int64_t rest = disp - (int64_t)(m->value[index] << scale);
        if (addr32) rest = (int32_t)rest;
        if (!is_known(m, index) || index == RSP || !fits(rest)) index = RSP;
        else disp = rest;
    }
    mod = disp == 0 && (base & 7) != 5 && draw(m, 4) ? 0 : disp == (int8_t)disp && draw(m, 6) ? 1 : 2;
    with_sib = index != RSP || (base & 7) == 4 || one_in(m, 10);
    add(c, (uint32_t)(mod << 6 | (reg & 7) << 3 | (with_sib ? 4 : base & 7)), 1);
    if (with_sib) add(c, (uint32_t)(scale << 6 | (index & 7) << 3 | (base & 7)), 1);
    add(c, (uint32_t)disp, mod == 1 ? 1 : mod == 2 ? 4 : 0);
    c->rex |= (with_sib ? (index >> 3) << 1 : 0) | base >> 3;
    return 1;
}

/* ModRM, SIB and displacement for `offset`. */
static void memory_form(struct maker *m, struct code *c, int reg, uint64_t offset, int addr32)
{
    uint32_t form = draw(m, 10);
    if (one_in(m, 150)) {                                         /* wherever that leads to */
        int base = (int)draw(m, 8);
        add(c, (uint32_t)(0x40 | (reg & 7) << 3 | base), 1);
        if (base == RSP) add(c, 0x24 | draw(m, 2), 1);      /* RSP or RBP */
        add(c, draw(m, 256), 1);
        c->rex |= one_in(m, 2);
        return;
    }
    if (form > 2 && from_registers(m, c, reg, offset, addr32)) return;
    if (form == 0 || (addr32 && offset >> 31)) {
        add(c, (uint32_t)((reg & 7) << 3 | 5), 1);
        c->rip_at = c->len;
        c->rip_target = (uint32_t)offset;
        add(c, 0, 4);
        return;
    }
    add(c, (uint32_t)((reg & 7) << 3 | 4), 1);
    add(c, 0x25, 1);
    add(c, (uint32_t)offset, 4);
}

static int is_source_only(const struct template *t)
{
    return !strcmp(t->name, "cmp") || !strcmp(t->name, "test") || !strcmp(t->name, "bt")
        || !strcmp(t->name, "push") || !strcmp(t->name, "nop") || t->flags & (DIVIDE | TARGET)
        || !strcmp(t->name, "mul") || (!strcmp(t->name, "imul") && t->digit == 5);
}

/* Registers that an instruction writes without naming them. */
static uint32_t implicit(const struct template *t)
{
    static const struct { const char *name; uint32_t regs; } all[] = {
        { "mul", 5 }, { "div", 5 }, { "idiv", 5 }, { "cbw", 1 }, { "cwd", 4 }, { "cmpxchg", 1 },
        { "cmpxchg8b", 5 }, { "xlat", 1 }, { "lods", 0x43 }, { "movs", 0xc2 }, { "stos", 0x82 },
        { "scas", 0x82 }, { "cmps", 0xc2 }, { "lahf", 1 }, { "leave", 0x30 }, { "enter", 0x30 },
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].name, t->name)) return all[i].regs;
    if (t->flags & NO_MODRM && t->imm == IMMZ && strcmp(t->name, "push")) return 1;
    return !strcmp(t->name, "imul") && t->digit == 5 ? 5 : !strcmp(t->name, "xchg") && t->flags & IN_OPCODE;
}

/* What of the registers is known behind the instruction. */
static void observe(struct maker *m, const struct template *t, int width, int reg, int rm, int is_reg, int64_t imm)
{
    int bytes = width == 0 ? 1 : 1 << width, is_byte_high = width == 0;
    uint64_t was = rm >= 0 ? m->value[rm & 15] : 0;
    int known = is_reg && rm >= 0 && is_known(m, rm);
    for (int i = 0; i < 16; i++) if (implicit(t) >> i & 1) forget(m, i);
    if (!strcmp(t->name, "push") && is_known(m, RSP)) m->value[RSP] -= (uint64_t)bytes;
    if (!strcmp(t->name, "pop") && is_known(m, RSP)) m->value[RSP] += (uint64_t)bytes;
    if (is_source_only(t) || t->flags & NO_MODRM) return;
    if (is_byte_high && rm >= 0) forget(m, rm & 3), forget(m, reg & 3);
    if (is_reg && rm >= 0) forget(m, rm);
    if (t->digit < 0 && !(t->flags & IN_OPCODE)) forget(m, reg);
    if (!is_reg || width < 2) return;
    if (!strcmp(t->name, "mov") && (t->imm == IMMV || (t->imm == IMMZ && width == 3)))
        learn(m, rm, width == 2 ? (uint32_t)imm : (uint64_t)imm);
    else if (known && width == 3 && !strcmp(t->name, "inc")) learn(m, rm, was + 1);
    else if (known && width == 3 && !strcmp(t->name, "dec")) learn(m, rm, was - 1);
    else if (known && width == 3 && !strcmp(t->name, "add") && t->imm) learn(m, rm, was + (uint64_t)imm);
    else if (known && width == 3 && !strcmp(t->name, "sub") && t->imm) learn(m, rm, was - (uint64_t)imm);
}

static int64_t immediate(struct maker *m, const struct template *t, int width)
{
    int64_t value = draw(m, 3) ? (int64_t)draw(m, 100) - 20 : (int64_t)(((uint64_t)draw32(m) << 32) | draw32(m));
    if (t->flags & DOUBLE && width == 1) return draw(m, 17);
    if (t->imm == IMM8 || (t->imm == IMMZ && width == 0)) return (int8_t)value;
    if (t->imm == IMM16) return value & 0xff;
    if (t->imm == IMMZ) return width == 1 ? (int16_t)value : (int32_t)value;
    return value;
}

static int immediate_bytes(const struct template *t, int width)
{
    if (t->imm == IMM8 || (t->imm == IMMZ && width == 0)) return 1;
    if (t->imm == IMM16) return 2;
    if (t->imm == IMMZ) return width == 1 ? 2 : 4;
    return t->imm == IMMV ? 1 << width : 0;
}

static int choose_width(struct maker *m, const struct template *t, int wish)
{
    int width = wish >= 0 ? wish : draw(m, 3) ? 2 + (int)draw(m, 2) : (int)draw(m, 4);
    for (int i = 0; i < 4; i++, width = (width + 1) & 3) if (t->widths >> width & 1) break;
    if (t->flags & DOUBLE && t->imm != IMM8 && width == 1) width = 2;
    return width;
}

static int is_possible(struct maker *m, const struct template *t, int reg, int rm, int is_reg)
{
    if (implicit(t) & m->reserved) return 0;
    if (is_source_only(t)) return 1;
    if (is_reg && rm >= 0 && m->reserved >> rm & 1) return 0;
    return t->digit >= 0 || t->flags & NO_MODRM || !(m->reserved >> (reg & 15) & 1);
}

/* Byte registers 4 to 7 without REX are parts of 0 to 3. */
static int touches_reserved(const struct maker *m, int rex, int reg)
{
    return !rex && reg >= 4 && reg < 8 && m->reserved >> (reg - 4) & 1;
}

/* VEX instead of REX, escape and mandatory prefix: R, X and B of `rex`, inverted; one operand more. */
static void put_vex(struct code *c, const struct template *t, int rex, int third)
{
    int pp = t->prefix == 0x66 ? 1 : t->prefix == 0xf3 ? 2 : t->prefix == 0xf2 ? 3 : 0;
    add(c, 0xc4, 1);
    add(c, (uint32_t)((~rex & 7) << 5 | t->map), 1);
    add(c, (uint32_t)((rex & 8) << 4 | (~third & 15) << 3 | pp), 1);
}

static void put_rex(struct maker *m, struct code *c, const struct template *t, int rex)
{
    if (rex || one_in(m, 12)) add(c, (uint32_t)(0x40 | rex), 1);
    if (t->map) add(c, 0x0f, 1);
    if (t->map == 2) add(c, 0x38, 1);
}

/* Prefixes that change nothing: REX in front of others, a size that REX.W overrules, REP without a string. */
static void idle_prefixes(struct maker *m, struct code *head, const struct template *t, int width)
{
    if (t->map || t->prefix || t->opcode == 0x90 || t->flags & (XMM | VEX | DEFAULT64)) return;
    if (one_in(m, 150)) add(head, 0x40 | draw(m, 16), 1), add(head, 0x2e, 1);
    if (width == 3 && one_in(m, 60)) add(head, 0x66, 1);
    if (one_in(m, 80)) add(head, 0xf2 | draw(m, 2), 1);
}

static void prefixes(struct maker *m, struct code *head, const struct template *t, int width, int addr32, int seg)
{
    idle_prefixes(m, head, t, width);
    if (width == 1 && !(t->flags & XMM)) add(head, 0x66, 1);
    if (addr32) add(head, 0x67, 1);
    if (one_in(m, 60)) add(head, (const uint8_t[]){ 0x26, 0x2e, 0x36, 0x3e }[draw(m, 4)], 1);
    if (seg) add(head, seg == 1 ? 0x64 : 0x65, 1);
    if (t->prefix && !(t->flags & VEX)) add(head, (uint32_t)t->prefix, 1);
}

int encode(struct maker *m, const struct template *t, struct wish wish)
{
    struct code head = { .rip_at = 0 }, body = { .rip_at = 0 };
    int width = choose_width(m, t, wish.width), bytes = immediate_bytes(t, width);
    int reg = t->digit >= 0 ? t->digit : wish.reg >= 0 ? wish.reg : written(m);
    int rm = wish.rm >= 0 ? wish.rm : one_in(m, 2) ? written(m) : (int)draw(m, 16);
    int third = t->flags & VEX && t->map != 3 ? written(m) : 0;
    int plain = (t->flags & (NO_MODRM | IN_OPCODE)) != 0, addr32 = 0, seg = 0, is_reg = 1;
    int64_t imm = wish.imm != FREE ? wish.imm : immediate(m, t, width);
    int opcode = t->opcode - (width == 0 && (t->widths & ~W8) && !(t->flags & (SOURCE8 | SOURCE16)));
    if (!plain) is_reg = wish.rm >= 0 ? 1 : wish.va != FREE || t->flags & NO_REG ? 0 : t->flags & NO_MEM || draw(m, 5) < 3;
    if (t->flags & NO_MODRM) rm = -1;
    if (is_reg && rm == RSP && wish.rm < 0 && !is_source_only(t) && draw(m, 12)) rm = RAX;
    if (!is_possible(m, t, reg, rm, is_reg)) return 0;
    if (t->flags & BITS && !is_reg && draw(m, 6) && wish.reg < 0) {
        reg = free_register(m);
        point(m, reg, (uint64_t)(int64_t)((int)draw(m, 400) - 200));
    }
    if (t->digit < 0 && reg > 7) body.rex |= 4;
    if (!plain && is_reg) {
        add(&body, (uint32_t)(0xc0 | (reg & 7) << 3 | (rm & 7)), 1);
        body.rex |= rm >> 3;
    } else if (t->flags & IN_OPCODE) {
        opcode |= rm & 7;
        body.rex |= rm >> 3;
    } else if (!plain) {
        uint32_t va = wish.va != FREE ? (uint32_t)wish.va : operand_va(m, (t->flags & (ALIGNED | PAIR)) != 0, 8);
        seg = one_in(m, 16) ? 1 + (int)draw(m, 2) : 0;
        uint64_t segment = seg == 1 ? FS_BASE : seg ? GS_BASE : 0;
        addr32 = va >= segment && one_in(m, 20);
        if (t->flags & LOCKABLE && one_in(m, 8)) add(&head, 0xf0, 1);
        memory_form(m, &body, reg, va - segment, addr32);
    } else if (t->flags & LOCKABLE && one_in(m, 500)) add(&head, 0xf0, 1);
    prefixes(m, &head, t, width, addr32, seg);
    if (width == 3 && !(t->flags & DEFAULT64)) body.rex |= 8;
    if (width == 0 && (touches_reserved(m, body.rex, reg) || touches_reserved(m, body.rex, rm))) body.rex |= 0x40;
    if (t->flags & VEX) put_vex(&head, t, body.rex, third);
    else put_rex(m, &head, t, body.rex);
    add(&head, (uint32_t)opcode, 1);
    if (head.len + body.len + bytes > 15) return 0;
    if (flags_read(t) & m->undefined) define_flags(m);
    begin(m);
    int at = m->out->len;
    for (int i = 0; i < head.len; i++) put(m, head.bytes[i], 1);
    for (int i = 0; i < body.len; i++) put(m, body.bytes[i], 1);
    put(m, (uint64_t)imm, bytes);
    if (body.rip_at) {
        uint32_t disp = body.rip_target - (SEQUENCE_VA + m->out->at + m->out->len);
        memcpy(m->out->code + at + head.len + body.rip_at, &disp, 4);
    }
    int64_t count = t->imm == IMM8 ? imm & 0xff : t->opcode == 0xd1 && !t->map ? 1 : -1;
    m->undefined = undefined_after(t, m->undefined, 8 << width, count);
    observe(m, t, width, reg, rm, is_reg, imm);
    if (t->flags & VEX) forget(m, third);
    return 1;
}

void point(struct maker *m, int reg, uint64_t value)
{
    struct wish wish = ANY;
    wish.rm = reg;
    wish.width = value == (uint32_t)value && draw(m, 4) ? 2 : 3;
    wish.imm = (int64_t)value;
    encode(m, find_template("mov", 0, 0xb8, -1), wish);
}

/* A comparison: all flags mean something behind it. */
void define_flags(struct maker *m)
{
    struct wish wish = ANY;
    wish.rm = (int)draw(m, 16);
    wish.width = (int)draw(m, 4);
    wish.reg = (int)draw(m, 16);
    if (one_in(m, 2)) encode(m, find_template("cmp", 0, 0x39, -1), wish);
    else encode(m, find_template("cmp", 0, 0x81, 7), wish);
}
