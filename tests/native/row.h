/* A row: one instruction, the state it starts from, and what a real processor made of it. */
#ifndef ROW_H
#define ROW_H
#include <stdint.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* The same in the replay (vectors.ts). */
#define DATA_VA 0x10000000u    /* two pages to read and write, then one to read, then nothing */
#define DATA_SIZE 0x2000u
#define READONLY_SIZE 0x1000u
#define CODE_VA 0x20000000u    /* one page of int3, then nothing */
#define FLAG_MASK 0xcd5u       /* CF PF AF ZF SF DF OF */
#define FLAG_DF 0x400u
#define FLAG_TF 0x100u
#define MAX_OVERRIDES 8
#define MAX_POKES 12

struct state {
    uint64_t regs[16];
    uint64_t rip;
    uint64_t flags;
    uint64_t xmm[16][2];
    uint16_t ds, es, gs;
    uint16_t fcw, fsw;
    uint32_t mxcsr;
    uint8_t memory[DATA_SIZE + READONLY_SIZE];
};

struct override { uint8_t reg; uint64_t value; };
struct poke { uint16_t at; uint64_t value; };

struct row {
    uint8_t code[15];
    uint8_t len;
    uint32_t seed;
    uint16_t at;            /* offset of the instruction in the code page */
    uint16_t defined;       /* flags that the manual defines */
    uint8_t vectors;        /* XMM registers take part */
    uint8_t directed;       /* DF of the seed counts */
    uint8_t stepped;        /* starts with TF */
    uint8_t x87;            /* control and status words of the seed, and its MXCSR */
    uint8_t many;           /* accesses in no given order: of a page fault the address is not defined */
    uint8_t partial;        /* several writes, of which a processor may have done some when it faults */
    uint8_t has_area;       /* of FXSAVE or XSAVE, at: */
    uint16_t area;
    int overrides;
    struct override over[MAX_OVERRIDES];
    int pokes;
    struct poke poke[MAX_POKES];
};

struct outcome {
    int trap;               /* SDM vector; 3 = it went through and reached an int3 */
    uint32_t error;
    uint64_t fault_va;
    struct state after;
};

uint32_t mix(uint32_t seed, uint32_t index);
void initial_state(const struct row *row, struct state *state);
int native_setup(void);
void native_run(const struct row *row, const struct state *before, struct outcome *out);
/* Makes the next row of template number `t`; 0 when there is no such template. */
int make_row(int t, uint32_t seed, struct row *row);
const char *template_name(int t);
#endif
