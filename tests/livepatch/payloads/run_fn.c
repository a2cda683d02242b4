/*
 * A ud2 whose bug frame (kind 0) names a function, which gets the registers and leaves others; it meets such a
 * ud2 itself. What everybody saw goes to spare words: 0 rip that the outer function saw, 1 rax it saw,
 * 2 rax behind the ud2, 3 rbx behind it, 4 depth, 5 address of the outer ud2.
 */
#include "mini.h"
#define WORD(n) cpu_stat[2040 + (n)]
struct regs { u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, code, rip, cs, flags, rsp, ss; };
#define FRAME(fn)                                    \
    "1: ud2\n"                                       \
    ".pushsection .bug_frames.0,\"a\"\n.balign 4\n"  \
    "2: .long 1b - 2b\n"                             \
    "   .long " fn " - 2b\n"                         \
    ".popsection\n"
static __attribute__((used)) void inner_fn(struct regs *regs) { WORD(4) += 10; regs->rcx = 0xcc; }
static __attribute__((used)) void outer_fn(struct regs *regs)
{
    u64 rcx;
    WORD(0) = regs->rip;
    WORD(1) = regs->rax;
    WORD(4) += 1;
    __asm__ volatile(FRAME("inner_fn") : "=c"(rcx) : : "memory");
    if (rcx == 0xcc)
        regs->rax = regs->rax + 1;
}
static void run_fn_load(void)
{
    u64 rax = 0x1234, rbx = 0x5678, at;
    __asm__ volatile(FRAME("outer_fn") "lea 1b(%%rip), %2\n" : "+a"(rax), "+b"(rbx), "=r"(at) : : "memory");
    WORD(2) = rax;
    WORD(3) = rbx;
    WORD(5) = at;
}
XSP_HOOK("load", run_fn_load);
