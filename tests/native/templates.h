/* Which instructions the rows are made of, as the opcode maps number them (Intel SDM vol. 2, app. A). */
#ifndef TEMPLATES_H
#define TEMPLATES_H
#include "row.h"

enum { W8 = 1, W16 = 2, W32 = 4, W64 = 8, WV = 14, WB = 15 };
enum { NO_IMM, IMM8, IMMZ, IMMV, REL8, REL32, IMM16 };
enum {
    LOCKABLE = 1, NO_REG = 2, NO_MEM = 4, IN_OPCODE = 8, NO_MODRM = 16, DEFAULT64 = 32, XMM = 64,
    ALIGNED = 128, STACK = 256, SHIFT = 512, DIVIDE = 1024, COMPARE = 2048, STRING = 4096,
    SOURCE8 = 8192, SOURCE16 = 16384, DOUBLE = 32768, TARGET = 65536, BITS = 131072, SCAN = 262144,
    POPF = 524288, LOOPS = 1048576, X87 = 2097152, VEX = 4194304, PAIR = 8388608,
    SELECTOR = 1 << 24, FAR = 1 << 25, FRAME = 1 << 26, AREA = 1 << 27, NO_STEP = 1 << 28, HEADER = 1 << 29,
};
#define ALL 0xcd5
#define NO_AF (ALL & ~0x10)
#define ONLY_CF_OF (0x801 | FLAG_DF)
#define ONLY_CF (0x001 | FLAG_DF)
#define ONLY_ZF (0x040 | FLAG_DF)
#define CF_ZF (0x041 | FLAG_DF)
#define NONE FLAG_DF
#define BMI_FLAGS (0x8c1 | FLAG_DF)
#define BEXTR_FLAGS (0x841 | FLAG_DF)

struct template {
    const char *name;
    int map;               /* 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A */
    int prefix;            /* mandatory prefix */
    int opcode;            /* of the widths above 8; 8-bit is opcode - 1 where W8 is there too */
    int digit;             /* ModRM.reg, -1: a register */
    int widths;
    int imm;
    int defined;
    int flags;
};

#define ALU(n, o, d) \
    { n, 0, 0, o + 1, -1, WB, NO_IMM, d, o == 0x38 ? 0 : LOCKABLE }, \
    { n, 0, 0, o + 3, -1, WB, NO_IMM, d, 0 }, { n, 0, 0, o + 5, -1, WB, IMMZ, d, NO_MODRM }, \
    { n, 0, 0, 0x81, o / 8, WB, IMMZ, d, o == 0x38 ? 0 : LOCKABLE }, \
    { n, 0, 0, 0x83, o / 8, WV, IMM8, d, o == 0x38 ? 0 : LOCKABLE }
#define SHIFTS(n, g) \
    { n, 0, 0, 0xc1, g, WB, IMM8, ALL, SHIFT }, { n, 0, 0, 0xd1, g, WB, NO_IMM, ALL, SHIFT }, \
    { n, 0, 0, 0xd3, g, WB, NO_IMM, ALL, SHIFT }
#define BT(n, o, g, l) \
    { n, 1, 0, o, -1, WV, NO_IMM, ONLY_CF, l | BITS }, { n, 1, 0, 0xba, g, WV, IMM8, ONLY_CF, l }
#define CC(c) \
    { "jcc", 0, 0, 0x70 + c, -1, W32, REL8, ALL, NO_MODRM }, \
    { "jcc", 1, 0, 0x80 + c, -1, W32, REL32, ALL, NO_MODRM }, \
    { "setcc", 1, 0, 0x90 + c, -1, W8, NO_IMM, ALL, 0 }, \
    { "cmovcc", 1, 0, 0x40 + c, -1, WV, NO_IMM, ALL, 0 }
#define P(n, p, o) { n, 1, p, o, -1, W32, NO_IMM, ALL, XMM | ALIGNED }
#define V(n, m, p, o, g, i, d) { n, m, p, o, g, W32 | W64, i, d, VEX }
#define PS(n, o, o2, g) P(n, 0x66, o), { n, 1, 0x66, o2, g, W32, IMM8, ALL, XMM | NO_MEM }

static const struct template templates[] = {
    ALU("add", 0x00, ALL), ALU("or", 0x08, NO_AF), ALU("adc", 0x10, ALL), ALU("sbb", 0x18, ALL),
    ALU("and", 0x20, NO_AF), ALU("sub", 0x28, ALL), ALU("xor", 0x30, NO_AF), ALU("cmp", 0x38, ALL),
    { "test", 0, 0, 0x85, -1, WB, NO_IMM, NO_AF, 0 }, { "test", 0, 0, 0xf7, 0, WB, IMMZ, NO_AF, 0 },
    { "test", 0, 0, 0xa9, -1, WB, IMMZ, NO_AF, NO_MODRM },
    { "not", 0, 0, 0xf7, 2, WB, NO_IMM, ALL, LOCKABLE }, { "neg", 0, 0, 0xf7, 3, WB, NO_IMM, ALL, LOCKABLE },
    { "inc", 0, 0, 0xff, 0, WB, NO_IMM, ALL, LOCKABLE }, { "dec", 0, 0, 0xff, 1, WB, NO_IMM, ALL, LOCKABLE },
    { "mul", 0, 0, 0xf7, 4, WB, NO_IMM, ONLY_CF_OF, 0 }, { "imul", 0, 0, 0xf7, 5, WB, NO_IMM, ONLY_CF_OF, 0 },
    { "div", 0, 0, 0xf7, 6, WB, NO_IMM, NONE, DIVIDE }, { "idiv", 0, 0, 0xf7, 7, WB, NO_IMM, NONE, DIVIDE },
    { "imul", 1, 0, 0xaf, -1, WV, NO_IMM, ONLY_CF_OF, 0 }, { "imul", 0, 0, 0x69, -1, WV, IMMZ, ONLY_CF_OF, 0 },
    { "imul", 0, 0, 0x6b, -1, WV, IMM8, ONLY_CF_OF, 0 },
    SHIFTS("rol", 0), SHIFTS("ror", 1), SHIFTS("rcl", 2), SHIFTS("rcr", 3), SHIFTS("shl", 4),
    SHIFTS("shr", 5), SHIFTS("sal", 6), SHIFTS("sar", 7),
    { "shld", 1, 0, 0xa4, -1, WV, IMM8, ALL, DOUBLE }, { "shld", 1, 0, 0xa5, -1, WV, NO_IMM, ALL, DOUBLE },
    { "shrd", 1, 0, 0xac, -1, WV, IMM8, ALL, DOUBLE }, { "shrd", 1, 0, 0xad, -1, WV, NO_IMM, ALL, DOUBLE },
    BT("bt", 0xa3, 4, 0), BT("bts", 0xab, 5, LOCKABLE), BT("btr", 0xb3, 6, LOCKABLE), BT("btc", 0xbb, 7, LOCKABLE),
    { "bsf", 1, 0, 0xbc, -1, WV, NO_IMM, ONLY_ZF, SCAN }, { "bsr", 1, 0, 0xbd, -1, WV, NO_IMM, ONLY_ZF, SCAN },
    { "tzcnt", 1, 0xf3, 0xbc, -1, WV, NO_IMM, CF_ZF, 0 }, { "lzcnt", 1, 0xf3, 0xbd, -1, WV, NO_IMM, CF_ZF, 0 },
    { "popcnt", 1, 0xf3, 0xb8, -1, WV, NO_IMM, ALL, 0 }, { "bswap", 1, 0, 0xc8, -1, W32 | W64, NO_IMM, ALL, IN_OPCODE },
    { "movbe", 2, 0, 0xf0, -1, WV, NO_IMM, ALL, NO_REG }, { "movbe", 2, 0, 0xf1, -1, WV, NO_IMM, ALL, NO_REG },
    { "crc32", 2, 0xf2, 0xf1, -1, W32 | W64, NO_IMM, ALL, 0 }, { "crc32", 2, 0xf2, 0xf0, -1, W32, NO_IMM, ALL, SOURCE8 },
    { "mov", 0, 0, 0x89, -1, WB, NO_IMM, ALL, 0 }, { "mov", 0, 0, 0x8b, -1, WB, NO_IMM, ALL, 0 },
    { "mov", 0, 0, 0xc7, 0, WB, IMMZ, ALL, 0 }, { "mov", 0, 0, 0xb8, -1, WV, IMMV, ALL, IN_OPCODE },
    { "mov", 0, 0, 0xb0, -1, W8, IMM8, ALL, IN_OPCODE }, { "movnti", 1, 0, 0xc3, -1, W32 | W64, NO_IMM, ALL, NO_REG },
    { "movzx", 1, 0, 0xb6, -1, WV, NO_IMM, ALL, SOURCE8 }, { "movzx", 1, 0, 0xb7, -1, WV, NO_IMM, ALL, SOURCE16 },
    { "movsx", 1, 0, 0xbe, -1, WV, NO_IMM, ALL, SOURCE8 }, { "movsx", 1, 0, 0xbf, -1, WV, NO_IMM, ALL, SOURCE16 },
    { "movsxd", 0, 0, 0x63, -1, W32 | W64, NO_IMM, ALL, 0 }, { "lea", 0, 0, 0x8d, -1, WV, NO_IMM, ALL, NO_REG },
    { "xchg", 0, 0, 0x87, -1, WB, NO_IMM, ALL, LOCKABLE }, { "xchg", 0, 0, 0x90, -1, WV, NO_IMM, ALL, IN_OPCODE },
    { "xadd", 1, 0, 0xc1, -1, WB, NO_IMM, ALL, LOCKABLE }, { "cmpxchg", 1, 0, 0xb1, -1, WB, NO_IMM, ALL, LOCKABLE | COMPARE },
    { "cmpxchg8b", 1, 0, 0xc7, 1, W32 | W64, NO_IMM, ALL, LOCKABLE | NO_REG | PAIR },
    { "cbw", 0, 0, 0x98, -1, WV, NO_IMM, ALL, NO_MODRM }, { "cwd", 0, 0, 0x99, -1, WV, NO_IMM, ALL, NO_MODRM },
    { "push", 0, 0, 0x50, -1, W16 | W64, NO_IMM, ALL, IN_OPCODE | DEFAULT64 | STACK },
    { "pop", 0, 0, 0x58, -1, W16 | W64, NO_IMM, ALL, IN_OPCODE | DEFAULT64 | STACK },
    { "push", 0, 0, 0xff, 6, W16 | W64, NO_IMM, ALL, DEFAULT64 | STACK }, { "pop", 0, 0, 0x8f, 0, W16 | W64, NO_IMM, ALL, DEFAULT64 | STACK },
    { "push", 0, 0, 0x68, -1, W16 | W64, IMMZ, ALL, NO_MODRM | DEFAULT64 | STACK }, { "push", 0, 0, 0x6a, -1, W64, IMM8, ALL, NO_MODRM | DEFAULT64 | STACK },
    { "pushf", 0, 0, 0x9c, -1, W16 | W64, NO_IMM, ALL, NO_MODRM | DEFAULT64 | STACK }, { "popf", 0, 0, 0x9d, -1, W16 | W64, NO_IMM, ALL, NO_MODRM | DEFAULT64 | STACK | POPF },
    { "leave", 0, 0, 0xc9, -1, W16 | W64, NO_IMM, ALL, NO_MODRM | DEFAULT64 | STACK },
    { "enter", 0, 0, 0xc8, -1, W16 | W64, IMM16, ALL, NO_MODRM | DEFAULT64 | STACK }, { "enter", 0, 0, 0xc8, -1, W16 | W64, IMM16, ALL, NO_MODRM | DEFAULT64 | STACK },
    { "call", 0, 0, 0xe8, -1, W32, REL32, ALL, NO_MODRM | STACK }, { "jmp", 0, 0, 0xe9, -1, W32, REL32, ALL, NO_MODRM },
    { "jmp", 0, 0, 0xeb, -1, W32, REL8, ALL, NO_MODRM }, { "ret", 0, 0, 0xc3, -1, W64, NO_IMM, ALL, NO_MODRM | DEFAULT64 | STACK | TARGET },
    { "ret", 0, 0, 0xc2, -1, W64, IMM16, ALL, NO_MODRM | DEFAULT64 | STACK | TARGET },
    { "call", 0, 0, 0xff, 2, W64, NO_IMM, ALL, DEFAULT64 | STACK | TARGET }, { "jmp", 0, 0, 0xff, 4, W64, NO_IMM, ALL, DEFAULT64 | TARGET },
    { "loopne", 0, 0, 0xe0, -1, W32, REL8, ALL, NO_MODRM | LOOPS }, { "loope", 0, 0, 0xe1, -1, W32, REL8, ALL, NO_MODRM | LOOPS },
    { "loop", 0, 0, 0xe2, -1, W32, REL8, ALL, NO_MODRM | LOOPS }, { "jrcxz", 0, 0, 0xe3, -1, W32, REL8, ALL, NO_MODRM | LOOPS },
    CC(0), CC(1), CC(2), CC(3), CC(4), CC(5), CC(6), CC(7), CC(8), CC(9), CC(10), CC(11), CC(12), CC(13), CC(14), CC(15),
    { "movs", 0, 0, 0xa5, -1, WB, NO_IMM, ALL, NO_MODRM | STRING }, { "stos", 0, 0, 0xab, -1, WB, NO_IMM, ALL, NO_MODRM | STRING },
    { "lods", 0, 0, 0xad, -1, WB, NO_IMM, ALL, NO_MODRM | STRING }, { "scas", 0, 0, 0xaf, -1, WB, NO_IMM, ALL, NO_MODRM | STRING },
    { "cmps", 0, 0, 0xa7, -1, WB, NO_IMM, ALL, NO_MODRM | STRING },
    { "clc", 0, 0, 0xf8, -1, W32, NO_IMM, ALL, NO_MODRM }, { "stc", 0, 0, 0xf9, -1, W32, NO_IMM, ALL, NO_MODRM },
    { "cmc", 0, 0, 0xf5, -1, W32, NO_IMM, ALL, NO_MODRM }, { "cld", 0, 0, 0xfc, -1, W32, NO_IMM, ALL, NO_MODRM },
    { "std", 0, 0, 0xfd, -1, W32, NO_IMM, ALL, NO_MODRM }, { "lahf", 0, 0, 0x9f, -1, W32, NO_IMM, ALL, NO_MODRM },
    { "sahf", 0, 0, 0x9e, -1, W32, NO_IMM, ALL, NO_MODRM }, { "xlat", 0, 0, 0xd7, -1, W32, NO_IMM, ALL, NO_MODRM | STRING },
    { "nop", 1, 0, 0x1f, 0, WV, NO_IMM, ALL, 0 }, { "ud2", 1, 0, 0x0b, -1, W32, NO_IMM, ALL, NO_MODRM },
    { "hlt", 0, 0, 0xf4, -1, W32, NO_IMM, ALL, NO_MODRM }, { "cli", 0, 0, 0xfa, -1, W32, NO_IMM, ALL, NO_MODRM },
    { "movups", 1, 0, 0x10, -1, W32, NO_IMM, ALL, XMM }, { "movups", 1, 0, 0x11, -1, W32, NO_IMM, ALL, XMM },
    { "movdqu", 1, 0xf3, 0x6f, -1, W32, NO_IMM, ALL, XMM }, { "movdqu", 1, 0xf3, 0x7f, -1, W32, NO_IMM, ALL, XMM },
    P("movaps", 0, 0x28), P("movaps", 0, 0x29), P("movdqa", 0x66, 0x6f), P("movdqa", 0x66, 0x7f),
    { "movntdq", 1, 0x66, 0xe7, -1, W32, NO_IMM, ALL, XMM | ALIGNED | NO_REG },
    { "movss", 1, 0xf3, 0x10, -1, W32, NO_IMM, ALL, XMM }, { "movss", 1, 0xf3, 0x11, -1, W32, NO_IMM, ALL, XMM },
    { "movsd", 1, 0xf2, 0x10, -1, W32, NO_IMM, ALL, XMM }, { "movsd", 1, 0xf2, 0x11, -1, W32, NO_IMM, ALL, XMM },
    { "movlps", 1, 0, 0x12, -1, W32, NO_IMM, ALL, XMM }, { "movlps", 1, 0, 0x13, -1, W32, NO_IMM, ALL, XMM | NO_REG },
    { "movhps", 1, 0, 0x16, -1, W32, NO_IMM, ALL, XMM }, { "movhps", 1, 0, 0x17, -1, W32, NO_IMM, ALL, XMM | NO_REG },
    { "movd", 1, 0x66, 0x6e, -1, W32 | W64, NO_IMM, ALL, XMM }, { "movd", 1, 0x66, 0x7e, -1, W32 | W64, NO_IMM, ALL, XMM },
    { "movq", 1, 0xf3, 0x7e, -1, W32, NO_IMM, ALL, XMM }, { "movq", 1, 0x66, 0xd6, -1, W32, NO_IMM, ALL, XMM },
    { "pmovmskb", 1, 0x66, 0xd7, -1, W32, NO_IMM, ALL, XMM | NO_MEM }, { "movmskps", 1, 0, 0x50, -1, W32, NO_IMM, ALL, XMM | NO_MEM },
    { "movmskpd", 1, 0x66, 0x50, -1, W32, NO_IMM, ALL, XMM | NO_MEM }, { "pinsrw", 1, 0x66, 0xc4, -1, W32, IMM8, ALL, XMM },
    { "pextrw", 1, 0x66, 0xc5, -1, W32, IMM8, ALL, XMM | NO_MEM },
    { "pshufd", 1, 0x66, 0x70, -1, W32, IMM8, ALL, XMM | ALIGNED }, { "pshufhw", 1, 0xf3, 0x70, -1, W32, IMM8, ALL, XMM | ALIGNED },
    { "pshuflw", 1, 0xf2, 0x70, -1, W32, IMM8, ALL, XMM | ALIGNED }, { "shufps", 1, 0, 0xc6, -1, W32, IMM8, ALL, XMM | ALIGNED },
    { "shufpd", 1, 0x66, 0xc6, -1, W32, IMM8, ALL, XMM | ALIGNED },
    P("xorps", 0, 0x57), P("andps", 0, 0x54), P("andnps", 0, 0x55), P("orps", 0, 0x56), P("unpcklps", 0, 0x14),
    P("unpckhps", 0, 0x15), P("unpcklpd", 0x66, 0x14), P("unpckhpd", 0x66, 0x15),
    P("punpcklbw", 0x66, 0x60), P("punpcklwd", 0x66, 0x61), P("punpckldq", 0x66, 0x62), P("packsswb", 0x66, 0x63),
    P("pcmpgtb", 0x66, 0x64), P("pcmpgtw", 0x66, 0x65), P("pcmpgtd", 0x66, 0x66), P("packuswb", 0x66, 0x67),
    P("punpckhbw", 0x66, 0x68), P("punpckhwd", 0x66, 0x69), P("punpckhdq", 0x66, 0x6a), P("packssdw", 0x66, 0x6b),
    P("punpcklqdq", 0x66, 0x6c), P("punpckhqdq", 0x66, 0x6d), P("pcmpeqb", 0x66, 0x74), P("pcmpeqw", 0x66, 0x75),
    P("pcmpeqd", 0x66, 0x76), PS("psrlw", 0xd1, 0x71, 2), PS("psrld", 0xd2, 0x72, 2), PS("psrlq", 0xd3, 0x73, 2),
    PS("psraw", 0xe1, 0x71, 4), PS("psrad", 0xe2, 0x72, 4), PS("psllw", 0xf1, 0x71, 6), PS("pslld", 0xf2, 0x72, 6),
    PS("psllq", 0xf3, 0x73, 6), { "psrldq", 1, 0x66, 0x73, 3, W32, IMM8, ALL, XMM | NO_MEM },
    { "pslldq", 1, 0x66, 0x73, 7, W32, IMM8, ALL, XMM | NO_MEM },
    P("paddq", 0x66, 0xd4), P("pmullw", 0x66, 0xd5), P("psubusb", 0x66, 0xd8), P("psubusw", 0x66, 0xd9),
    P("pminub", 0x66, 0xda), P("pand", 0x66, 0xdb), P("paddusb", 0x66, 0xdc), P("paddusw", 0x66, 0xdd),
    P("pmaxub", 0x66, 0xde), P("pandn", 0x66, 0xdf), P("pavgb", 0x66, 0xe0), P("pavgw", 0x66, 0xe3),
    P("pmulhuw", 0x66, 0xe4), P("pmulhw", 0x66, 0xe5), P("psubsb", 0x66, 0xe8), P("psubsw", 0x66, 0xe9),
    P("pminsw", 0x66, 0xea), P("por", 0x66, 0xeb), P("paddsb", 0x66, 0xec), P("paddsw", 0x66, 0xed),
    P("pmaxsw", 0x66, 0xee), P("pxor", 0x66, 0xef), P("pmuludq", 0x66, 0xf4), P("pmaddwd", 0x66, 0xf5),
    P("psadbw", 0x66, 0xf6), P("psubb", 0x66, 0xf8), P("psubw", 0x66, 0xf9), P("psubd", 0x66, 0xfa),
    P("psubq", 0x66, 0xfb), P("paddb", 0x66, 0xfc), P("paddw", 0x66, 0xfd), P("paddd", 0x66, 0xfe),
    /* BMI1, BMI2, ADX */
    V("andn", 2, 0, 0xf2, -1, NO_IMM, BMI_FLAGS), V("bextr", 2, 0, 0xf7, -1, NO_IMM, BEXTR_FLAGS),
    V("blsr", 2, 0, 0xf3, 1, NO_IMM, BMI_FLAGS), V("blsmsk", 2, 0, 0xf3, 2, NO_IMM, BMI_FLAGS),
    V("blsi", 2, 0, 0xf3, 3, NO_IMM, BMI_FLAGS), V("bzhi", 2, 0, 0xf5, -1, NO_IMM, BMI_FLAGS),
    V("pdep", 2, 0xf2, 0xf5, -1, NO_IMM, ALL), V("pext", 2, 0xf3, 0xf5, -1, NO_IMM, ALL),
    V("mulx", 2, 0xf2, 0xf6, -1, NO_IMM, ALL), V("rorx", 3, 0xf2, 0xf0, -1, IMM8, ALL),
    V("shlx", 2, 0x66, 0xf7, -1, NO_IMM, ALL), V("sarx", 2, 0xf3, 0xf7, -1, NO_IMM, ALL),
    V("shrx", 2, 0xf2, 0xf7, -1, NO_IMM, ALL),
    { "adcx", 2, 0x66, 0xf6, -1, W32 | W64, NO_IMM, ALL, 0 }, { "adox", 2, 0xf3, 0xf6, -1, W32 | W64, NO_IMM, ALL, 0 },
    /* Segments */
    { "mov sreg", 0, 0, 0x8c, 0, WV, NO_IMM, ALL, 0 }, { "mov sreg", 0, 0, 0x8c, 1, WV, NO_IMM, ALL, 0 },
    { "mov sreg", 0, 0, 0x8c, 2, WV, NO_IMM, ALL, 0 }, { "mov sreg", 0, 0, 0x8c, 4, WV, NO_IMM, ALL, 0 },
    { "mov sreg", 0, 0, 0x8c, 6, WV, NO_IMM, ALL, 0 },
    { "mov sreg", 0, 0, 0x8e, 0, WV, NO_IMM, ALL, SELECTOR }, { "mov sreg", 0, 0, 0x8e, 1, WV, NO_IMM, ALL, SELECTOR },
    { "mov sreg", 0, 0, 0x8e, 2, WV, NO_IMM, ALL, SELECTOR | NO_STEP }, { "mov sreg", 0, 0, 0x8e, 3, WV, NO_IMM, ALL, SELECTOR },
    { "mov sreg", 0, 0, 0x8e, 5, WV, NO_IMM, ALL, SELECTOR }, { "mov sreg", 0, 0, 0x8e, 7, WV, NO_IMM, ALL, SELECTOR },
    { "push sreg", 1, 0, 0xa0, -1, W16 | W64, NO_IMM, ALL, NO_MODRM | DEFAULT64 | STACK },
    { "push sreg", 1, 0, 0xa8, -1, W16 | W64, NO_IMM, ALL, NO_MODRM | DEFAULT64 | STACK },
    { "pop sreg", 1, 0, 0xa9, -1, W16 | W64, NO_IMM, ALL, NO_MODRM | DEFAULT64 | STACK | SELECTOR },
    { "lss", 1, 0, 0xb2, -1, W16 | W32, NO_IMM, ALL, NO_REG | FAR | SELECTOR | NO_STEP },
    { "lgs", 1, 0, 0xb5, -1, W16 | W32, NO_IMM, ALL, NO_REG | FAR | SELECTOR },
    { "lar", 1, 0, 0x02, -1, WV, NO_IMM, ALL, SELECTOR }, { "lsl", 1, 0, 0x03, -1, WV, NO_IMM, ALL, SELECTOR },
    { "verr", 1, 0, 0x00, 4, W32, NO_IMM, ALL, SELECTOR }, { "verw", 1, 0, 0x00, 5, W32, NO_IMM, ALL, SELECTOR },
    { "retf", 0, 0, 0xcb, -1, WV, NO_IMM, ALL, NO_MODRM | STACK | FRAME }, { "retf", 0, 0, 0xca, -1, WV, IMM16, ALL, NO_MODRM | STACK | FRAME },
    { "iret", 0, 0, 0xcf, -1, WV, NO_IMM, ALL, NO_MODRM | STACK | FRAME | NO_STEP },
    { "iretq", 0, 0, 0xcf, -1, W64, NO_IMM, ALL, NO_MODRM | STACK | FRAME | NO_STEP },
    { "callf", 0, 0, 0xff, 3, W16 | W32, NO_IMM, ALL, NO_REG | STACK | FAR }, { "jmpf", 0, 0, 0xff, 5, W16 | W32, NO_IMM, ALL, NO_REG | FAR },
    /* What ring 3 is refused, and hints */
    { "int", 0, 0, 0xcd, -1, W32, IMM8, ALL, NO_MODRM | NO_STEP },
    { "ins", 0, 0, 0x6d, -1, WB, NO_IMM, ALL, NO_MODRM | STRING }, { "outs", 0, 0, 0x6f, -1, WB, NO_IMM, ALL, NO_MODRM | STRING },
    { "in", 0, 0, 0xed, -1, WB, NO_IMM, ALL, NO_MODRM }, { "out", 0, 0, 0xe7, -1, WB, IMM8, ALL, NO_MODRM },
    { "lgdt", 1, 0, 0x01, 2, W32, NO_IMM, ALL, NO_REG }, { "lidt", 1, 0, 0x01, 3, W32, NO_IMM, ALL, NO_REG },
    { "lmsw", 1, 0, 0x01, 6, W32, NO_IMM, ALL, 0 }, { "invlpg", 1, 0, 0x01, 7, W32, NO_IMM, ALL, NO_REG },
    { "lldt", 1, 0, 0x00, 2, W32, NO_IMM, ALL, 0 }, { "ltr", 1, 0, 0x00, 3, W32, NO_IMM, ALL, 0 },
    { "invpcid", 2, 0x66, 0x82, -1, W32, NO_IMM, ALL, NO_REG }, { "xrstors", 1, 0, 0xc7, 3, W64, NO_IMM, ALL, NO_REG },
    { "xsaves", 1, 0, 0xc7, 5, W64, NO_IMM, ALL, NO_REG }, { "ud1", 1, 0, 0xb9, -1, W32, NO_IMM, ALL, 0 },
    { "clflush", 1, 0, 0xae, 7, W32, NO_IMM, ALL, NO_REG }, { "clflushopt", 1, 0x66, 0xae, 7, W32, NO_IMM, ALL, NO_REG },
    { "clwb", 1, 0x66, 0xae, 6, W32, NO_IMM, ALL, NO_REG }, { "prefetch", 1, 0, 0x18, 1, W32, NO_IMM, ALL, NO_REG },
    { "prefetchw", 1, 0, 0x0d, 1, W32, NO_IMM, ALL, NO_REG },
    /* State of x87 and SSE */
    { "ldmxcsr", 1, 0, 0xae, 2, W32, NO_IMM, ALL, NO_REG | X87 }, { "stmxcsr", 1, 0, 0xae, 3, W32, NO_IMM, ALL, NO_REG | X87 },
    { "fldcw", 0, 0, 0xd9, 5, W32, NO_IMM, ALL, NO_REG | X87 }, { "fnstcw", 0, 0, 0xd9, 7, W32, NO_IMM, ALL, NO_REG | X87 },
    { "fnstsw", 0, 0, 0xdd, 7, W32, NO_IMM, ALL, NO_REG | X87 },
    { "fxsave", 1, 0, 0xae, 0, W32 | W64, NO_IMM, ALL, NO_REG | X87 | AREA },
    { "fxrstor", 1, 0, 0xae, 1, W32 | W64, NO_IMM, ALL, NO_REG | X87 | AREA },
    { "xsave", 1, 0, 0xae, 4, W32 | W64, NO_IMM, ALL, NO_REG | X87 | AREA | HEADER },
    { "xrstor", 1, 0, 0xae, 5, W32 | W64, NO_IMM, ALL, NO_REG | X87 | AREA | HEADER },
    { "xsaveopt", 1, 0, 0xae, 6, W32 | W64, NO_IMM, ALL, NO_REG | AREA | HEADER },
    { "xsavec", 1, 0, 0xc7, 4, W32 | W64, NO_IMM, ALL, NO_REG | X87 | AREA | HEADER },
};
#define TEMPLATES ((int)(sizeof templates / sizeof *templates))
#endif
