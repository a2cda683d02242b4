/* One instruction on the processor underneath. A signal handler puts the state into its own return
 * frame, so that the kernel loads every register; whatever the instruction does ends in a signal (the
 * code page is full of int3), whose frame holds the state afterwards. */
#define _GNU_SOURCE
#include "row.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static const int greg_of[16] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};
static ucontext_t home;
static struct _libc_fpstate home_fp;
static const struct state *start;
static int stepped;
static struct outcome *result;

/* The frame says which components it holds; the kernel skips those that it believes untouched. */
static void own(struct _libc_fpstate *fp)
{
    uint64_t present;
    memcpy(&present, (char *)fp + 512, 8);
    present |= 3;
    memcpy((char *)fp + 512, &present, 8);
}

static void enter(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct _libc_fpstate *fp = uc->uc_mcontext.fpregs;
    (void)signal, (void)info;
    home = *uc;
    home_fp = *fp;
    for (int i = 0; i < 16; i++) {
        uc->uc_mcontext.gregs[greg_of[i]] = (greg_t)start->regs[i];
        memcpy(&fp->_xmm[i], start->xmm[i], 16);
    }
    fp->cwd = start->fcw;
    fp->swd = start->fsw;
    fp->ftw = fp->fop = 0;
    fp->rip = fp->rdp = 0;
    fp->mxcsr = start->mxcsr;
    memset(fp->_st, 0, sizeof fp->_st);
    own(fp);
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)start->rip;
    uc->uc_mcontext.gregs[REG_EFL] = (greg_t)(start->flags | 0x202 | (stepped ? FLAG_TF : 0));
}

static void leave(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    greg_t *gregs = uc->uc_mcontext.gregs;
    struct _libc_fpstate *fp = uc->uc_mcontext.fpregs;
    (void)signal, (void)info;
    __asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%gs, %2"
                     : "=m"(result->after.ds), "=m"(result->after.es), "=m"(result->after.gs));
    for (int i = 0; i < 16; i++) {
        result->after.regs[i] = (uint64_t)gregs[greg_of[i]];
        memcpy(result->after.xmm[i], &fp->_xmm[i], 16);
    }
    result->after.fcw = fp->cwd;
    result->after.fsw = fp->swd;
    result->after.mxcsr = fp->mxcsr;
    result->trap = (int)gregs[REG_TRAPNO];
    result->error = (uint32_t)gregs[REG_ERR];
    result->fault_va = (uint64_t)gregs[REG_CR2];
    result->after.rip = (uint64_t)gregs[REG_RIP] - (result->trap == 3 ? 1 : 0);
    result->after.flags = (uint64_t)gregs[REG_EFL] & FLAG_MASK;
    memcpy(gregs, home.uc_mcontext.gregs, sizeof home.uc_mcontext.gregs);
    *fp = home_fp;
    own(fp);
}

static void *map(uint32_t va, size_t size)
{
    return mmap((void *)(uintptr_t)va, size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

int native_setup(void)
{
    static char stack[65536];
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction action = { .sa_sigaction = leave, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    static const int ends[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    if (map(DATA_VA, DATA_SIZE + READONLY_SIZE) == MAP_FAILED || map(CODE_VA, 4096) == MAP_FAILED) {
        perror("mmap");
        return -1;
    }
    sigaltstack(&alternate, NULL);
    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) sigaction(ends[i], &action, NULL);
    action.sa_sigaction = enter;
    sigaction(SIGUSR1, &action, NULL);
    return 0;
}

void native_run(const struct row *row, const struct state *before, struct outcome *out)
{
    uint8_t *data = (uint8_t *)(uintptr_t)DATA_VA, *code = (uint8_t *)(uintptr_t)CODE_VA;
    mprotect(data, DATA_SIZE + READONLY_SIZE, PROT_READ | PROT_WRITE);
    memcpy(data, before->memory, sizeof before->memory);
    mprotect(data + DATA_SIZE, READONLY_SIZE, PROT_READ);
    mprotect(code, 4096, PROT_READ | PROT_WRITE);
    memset(code, 0xcc, 4096);
    memcpy(code + row->at, row->code, row->len);
    mprotect(code, 4096, PROT_READ | PROT_EXEC);
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%gs" : : "r"(0));
    start = before;
    stepped = row->stepped;
    result = out;
    raise(SIGUSR1);
    memcpy(out->after.memory, data, sizeof out->after.memory);
}
