/* A sequence on the processor underneath. A signal handler puts the state into its own return frame, so
 * that the kernel loads every register; whatever the code does ends in a signal (its pages are full of
 * int3), whose frame holds the state afterwards. It can neither make system calls nor run for ever. */
#define _GNU_SOURCE
#include "sequence.h"
#include <asm/prctl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

static const int greg_of[16] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};
static ucontext_t home;
static struct _libc_fpstate home_fp;
static uint64_t home_fs;
static const struct state *start;
static struct outcome *result;
static volatile int running, ticks;
static const struct sequence *traced;
static int astray;
/* The same memory once more, to write. */
static uint8_t *data, *code;

/* Without the library, which needs FS for errno. */
static void set_base(int which, uint64_t base)
{
    long status;
    __asm__ volatile("syscall" : "=a"(status) : "0"((long)SYS_arch_prctl), "D"((long)which), "S"(base)
                     : "rcx", "r11", "memory");
}

static void enter(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    (void)signal, (void)info;
    home = *uc;
    home_fp = *uc->uc_mcontext.fpregs;
    for (int i = 0; i < 16; i++) {
        uc->uc_mcontext.gregs[greg_of[i]] = (greg_t)start->regs[i];
        memcpy(&uc->uc_mcontext.fpregs->_xmm[i], start->xmm[i], 16);
    }
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)start->rip;
    uc->uc_mcontext.gregs[REG_EFL] = (greg_t)(start->flags | 0x202 | (traced ? FLAG_TF : 0));
    ticks = 0;
    running = 1;
    set_base(ARCH_SET_GS, GS_BASE);
    set_base(ARCH_SET_FS, FS_BASE);
}

static int begins_at(const struct sequence *s, uint32_t at)
{
    if (at < s->at || at >= (uint32_t)s->at + s->len) return 1;
    for (int i = 0; i < s->count; i++) if (s->insn[i].at == at) return 1;
    return 0;
}

/* Behind an instruction of a traced sequence: is it still on its way? */
static void step(greg_t *gregs)
{
    static uint64_t last;
    uint64_t at = (uint64_t)gregs[REG_RIP] - SEQUENCE_VA;
    if (at < SEQUENCE_SIZE && !begins_at(traced, (uint32_t)at)) astray = 1;
    if (last < SEQUENCE_SIZE && (code[last] == 0x9c || (code[last] == 0x66 && code[last + 1] == 0x9c)))
        *(volatile uint16_t *)(uintptr_t)gregs[REG_RSP] &= (uint16_t)~FLAG_TF;
    last = at;
    gregs[REG_EFL] |= FLAG_TF;
}

static void leave(int signal, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    greg_t *gregs = uc->uc_mcontext.gregs;
    (void)info;
    __builtin_ia32_writeeflags_u64(0x202);                        /* with AC no handler would get far */
    if (traced && gregs[REG_TRAPNO] == 1) { step(gregs); return; }
    set_base(ARCH_SET_FS, home_fs);
    running = 0;
    for (int i = 0; i < 16; i++) {
        result->after.regs[i] = (uint64_t)gregs[greg_of[i]];
        memcpy(result->after.xmm[i], &uc->uc_mcontext.fpregs->_xmm[i], 16);
    }
    result->trap = signal == SIGSYS || signal == SIGALRM ? TRAP_NONE : (int)gregs[REG_TRAPNO];
    result->error = (uint32_t)gregs[REG_ERR];
    result->fault_va = (uint64_t)gregs[REG_CR2];
    result->after.rip = (uint64_t)gregs[REG_RIP] - (result->trap == 3 ? 1 : 0);
    result->after.flags = (uint64_t)gregs[REG_EFL] & FLAG_MASK;
    memcpy(gregs, home.uc_mcontext.gregs, sizeof home.uc_mcontext.gregs);
    memcpy(uc->uc_mcontext.fpregs->_xmm, home_fp._xmm, sizeof home_fp._xmm);
}

/* Code that does not come to an end is taken off the processor. (The frame would not bring NT and ID
 * back: they stay as they are.) */
static void tick(int signal, siginfo_t *info, void *context)
{
    if (running && ++ticks == 5) leave(signal, info, context);
}

static uint8_t *map(int file, size_t size, int access, void *va)
{
    void *at = mmap(va, size, access, MAP_SHARED | MAP_POPULATE | (va ? MAP_FIXED_NOREPLACE : 0), file, 0);
    return at == MAP_FAILED ? NULL : at;
}

static uint8_t *map_twice(uint32_t va, size_t size, int access)
{
    int file = memfd_create("subject", 0);
    if (file < 0 || ftruncate(file, (off_t)size) || !map(file, size, access, (void *)(uintptr_t)va)) return NULL;
    return map(file, size, PROT_READ | PROT_WRITE, NULL);
}

static int confine(void)
{
    struct itimerval interval = { .it_interval = { .tv_usec = 20000 }, .it_value = { .tv_usec = 20000 } };
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SEQUENCE_VA + SEQUENCE_SIZE + 1, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SEQUENCE_VA, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = { .len = sizeof filter / sizeof *filter, .filter = filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("seccomp");
        return -1;
    }
    return setitimer(ITIMER_REAL, &interval, NULL);
}

int confined_setup(void)
{
    static char stack[65536];
    stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction action = { .sa_sigaction = leave, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    static const int ends[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS };
    data = map_twice(DATA_VA, DATA_SIZE + READONLY_SIZE, PROT_READ | PROT_WRITE);
    code = map_twice(SEQUENCE_VA, SEQUENCE_SIZE, PROT_READ | PROT_EXEC);
    if (!data || !code || mprotect((void *)(uintptr_t)(DATA_VA + DATA_SIZE), READONLY_SIZE, PROT_READ)) {
        perror("mmap");
        return -1;
    }
    memset(code, 0xcc, SEQUENCE_SIZE);
    syscall(SYS_arch_prctl, ARCH_GET_FS, &home_fs);
    sigaltstack(&alternate, NULL);
    sigaddset(&action.sa_mask, SIGALRM);
    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) sigaction(ends[i], &action, NULL);
    action.sa_sigaction = tick;
    sigaction(SIGALRM, &action, NULL);
    action.sa_sigaction = enter;
    sigaction(SIGUSR1, &action, NULL);
    return confine();
}

void confined_run(const struct sequence *s, const struct state *before, struct outcome *out)
{
    memcpy(data, before->memory, sizeof before->memory);
    memcpy(code + s->at, s->code, s->len);
    start = before;
    result = out;
    raise(SIGUSR1);
    __builtin_ia32_writeeflags_u64(0x202);                        /* a signal frame leaves NT and ID */
    memcpy(out->after.memory, data, sizeof out->after.memory);
    memset(code + s->at, 0xcc, s->len);
}

int confined_strays(const struct sequence *s, const struct state *before)
{
    static struct outcome out;
    traced = s;
    astray = 0;
    confined_run(s, before, &out);
    traced = NULL;
    return astray;
}
