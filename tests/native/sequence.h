/* A sequence: some dozen instructions with loops, jumps and calls, made from a seed. */
#ifndef SEQUENCE_H
#define SEQUENCE_H
#include "row.h"

/* The same in the replay (sequences.ts). */
#define SEQUENCE_VA 0x30000000u     /* two pages of int3, then nothing */
#define SEQUENCE_SIZE 0x2000u
#define FS_BASE (DATA_VA + 0x300u)
#define GS_BASE (DATA_VA + 0x1100u)

enum { CF = 1, PF = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF = 0x800, SIX = 0x8d5 };

#define MAX_BYTES 6144
#define MAX_INSNS 1500

struct sequence {
    uint32_t seed;
    uint16_t at;                    /* offset in the code pages */
    uint16_t len;
    uint8_t code[MAX_BYTES];
    int count;
    /* Where instructions begin; the flags that the manual leaves undefined in front of them; has one
     * that faults perhaps done a part of its writes? */
    struct { uint16_t at, undefined, partial; } insn[MAX_INSNS];
};

struct template;

/* A sequence on its way: what is known where the next instruction will stand. */
struct maker {
    struct sequence *out;
    uint64_t value[16];             /* of registers, mostly right */
    uint32_t known, reserved;       /* one bit a register; reserved ones are not written */
    uint16_t undefined;             /* flags */
    uint16_t depth;
    int straight;                   /* nothing but single instructions: more than a block holds */
    uint32_t stream, draws, children;
    uint32_t hot[4];                /* addresses that are used again and again */
};

/* How an instruction shall be; what is FREE is left to chance. */
struct wish { int width, reg, rm; int64_t va, imm; };
#define FREE INT64_MIN
#define ANY ((struct wish){ -1, -1, -1, FREE, FREE })

/* encode.c. Every item draws from a stream of its own, so that leaving one out changes no other. */
uint32_t draw(struct maker *m, uint32_t below);
uint32_t draw32(struct maker *m);
int one_in(struct maker *m, uint32_t n);
void put(struct maker *m, uint64_t value, int bytes);
void begin(struct maker *m);                            /* an instruction stands here */
void raw(struct maker *m, const char *hex);             /* a whole instruction */
uint32_t operand_va(struct maker *m, int aligned, int size);
/* 0: not possible like that, and nothing is emitted. */
int encode(struct maker *m, const struct template *t, struct wish wish);
void point(struct maker *m, int reg, uint64_t value);   /* loads a register */
int free_register(struct maker *m);
void forget(struct maker *m, int reg);
void define_flags(struct maker *m);

/* effects.c */
const struct template *find_template(const char *name, int map, int opcode, int digit);
const struct template *any_template(uint32_t number);   /* by weight */
uint16_t flags_read(const struct template *t);
/* `count` of a shift, -1 when it is in CL. */
uint16_t undefined_after(const struct template *t, uint16_t before, int bits, int64_t count);

/* flow.c: 0 is returned when a short branch does not reach its target. */
void branching(struct maker *m, int (*make)(struct maker *, int near));
int skip_items(struct maker *m, int near);
int skip_always(struct maker *m, int near);
int loop(struct maker *m, int near);
int call(struct maker *m, int near);
int branch(struct maker *m, int opcode, int near);      /* returns the hole of its target */
int land(struct maker *m, int hole, int to);
void address_of_hole(struct maker *m, int reg, int *hole);    /* LEA of a place to come */
int count_down(struct maker *m, int counter);           /* returns the opcode of the branch back */
void all_defined(struct maker *m);

/* items.c */
void plain(struct maker *m);
void frame(struct maker *m);
void items(struct maker *m, uint32_t count);
void choose(struct maker *m);

/* confined.c */
#define TRAP_NONE (-1)              /* it made a system call, or did not come to an end */
int confined_setup(void);
void confined_run(const struct sequence *s, const struct state *before, struct outcome *out);
/* Does it come to where no instruction begins? What happens then was not thought of. */
int confined_strays(const struct sequence *s, const struct state *before);

/* sequence.c */
void item(struct maker *m);
void sequence_state(uint32_t seed, uint32_t at, struct state *state);
/* Without the items whose numbers are in `left_out`, which ends with 0; `seen` is told of all others. */
void make_sequence(uint32_t seed, const uint32_t *left_out, void (*seen)(uint32_t), struct sequence *out);
#endif
