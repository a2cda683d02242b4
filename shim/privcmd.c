/*
 * Stands in for /dev/xen/privcmd, so that a program linked with Xen's own libraries talks to a machine
 * of ours. Preloaded. Opening the device connects to the socket in XSPLICE_SOCKET; a hypercall made on
 * it is sent there, and while it is under way the other side may read and write this program's memory.
 * It knows nothing of what a hypercall means. Frames: host/serve/protocol.ts.
 *
 * The device is opened by libxencall, libxenforeignmemory and libxendevicemodel on their own, so it is
 * open() that is replaced, not one library's calls. Anything but a hypercall gets ENOTTY, as a kernel
 * without that request answers.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall)), Linux's uapi/xen/privcmd.h */
#define IOCTL_PRIVCMD_HYPERCALL 0x305000ul

struct privcmd_hypercall {
    uint64_t op;
    uint64_t arg[5];
};
_Static_assert(sizeof(struct privcmd_hypercall) == 48, "uapi/xen/privcmd.h");

enum { FRAME_HYPERCALL = 1, FRAME_READ, FRAME_WRITE, FRAME_ANSWER, FRAME_RESULT };

struct frame {
    uint32_t type;
    uint32_t length; /* of what follows */
};

#define MAX_FDS 1024
static unsigned char connected[MAX_FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int is_device(const char *path)
{
    return path && (!strcmp(path, "/dev/xen/privcmd") || !strcmp(path, "/proc/xen/privcmd"));
}

static int connect_machine(void)
{
    const char *path = getenv("XSPLICE_SOCKET");
    struct sockaddr_un where = { .sun_family = AF_UNIX };
    int fd;

    if (!path || strlen(path) >= sizeof(where.sun_path)) {
        errno = ENOENT;
        return -1;
    }
    strcpy(where.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (fd >= MAX_FDS || connect(fd, (struct sockaddr *)&where, sizeof(where)) != 0) {
        int saved = fd >= MAX_FDS ? EMFILE : errno;

        close(fd);
        errno = saved;
        return -1;
    }
    connected[fd] = 1;
    return fd;
}

static int send_all(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;

    while (length) {
        ssize_t done = send(fd, at, length, MSG_NOSIGNAL);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        at += done;
        length -= done;
    }
    return 0;
}

static int receive_all(int fd, void *bytes, size_t length)
{
    char *at = bytes;

    while (length) {
        ssize_t done = recv(fd, at, length, 0);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        at += done;
        length -= done;
    }
    return 0;
}

static int send_frame(int fd, uint32_t type, const void *bytes, uint32_t length)
{
    struct frame head = { type, length };

    return send_all(fd, &head, sizeof(head)) || send_all(fd, bytes, length) ? -1 : 0;
}

/* The kernel copies, so that a bad pointer is an answer and not a crash. */
static int copy_own_memory(void *here, uint64_t there, size_t length, int to_program)
{
    struct iovec local = { here, length };
    struct iovec remote = { (void *)(uintptr_t)there, length };
    ssize_t done = to_program ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0)
                              : process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

    return done == (ssize_t)length ? 0 : -1;
}

/* Answers: u32 status (0 or EFAULT), then the bytes read. */
static int answer_read(int fd, const unsigned char *request)
{
    uint64_t va, length;
    unsigned char *answer;
    uint32_t status = 0;
    int rc;

    memcpy(&va, request, 8);
    memcpy(&length, request + 8, 8);
    answer = malloc(4 + length);
    if (!answer)
        return -1;
    if (length && copy_own_memory(answer + 4, va, length, 0) != 0)
        status = EFAULT;
    memcpy(answer, &status, 4);
    rc = send_frame(fd, FRAME_ANSWER, answer, status ? 4 : 4 + (uint32_t)length);
    free(answer);
    return rc;
}

static int answer_write(int fd, unsigned char *request, uint32_t length)
{
    uint64_t va;
    uint32_t status = 0;

    memcpy(&va, request, 8);
    if (length > 8 && copy_own_memory(request + 8, va, length - 8, 1) != 0)
        status = EFAULT;
    return send_frame(fd, FRAME_ANSWER, &status, 4);
}

/* Serves the machine's wishes until the result is there. */
static int serve_hypercall(int fd, int64_t *result)
{
    for (;;) {
        struct frame head;
        unsigned char *body;
        int rc = -1;

        if (receive_all(fd, &head, sizeof(head)) != 0 || !(body = malloc(head.length + 1)))
            return -1;
        if (receive_all(fd, body, head.length) == 0) {
            if (head.type == FRAME_READ && head.length == 16)
                rc = answer_read(fd, body);
            else if (head.type == FRAME_WRITE && head.length >= 8)
                rc = answer_write(fd, body, head.length);
            else if (head.type == FRAME_RESULT && head.length == 8) {
                memcpy(result, body, 8);
                rc = 1;
            }
        }
        free(body);
        if (rc != 0)
            return rc == 1 ? 0 : -1;
    }
}

static int make_hypercall(int fd, const struct privcmd_hypercall *call)
{
    int64_t result = -EIO;
    int failed;

    pthread_mutex_lock(&lock);
    failed = send_frame(fd, FRAME_HYPERCALL, call, sizeof(*call)) || serve_hypercall(fd, &result);
    pthread_mutex_unlock(&lock);
    if (failed)
        result = -EIO;
    if (result >= 0)
        return (int)result;
    errno = (int)-result;
    return -1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static mode_t mode_of(int flags, va_list more)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list more;
    mode_t mode;

    va_start(more, flags);
    mode = mode_of(flags, more);
    va_end(more);
    return is_device(path) ? connect_machine() : NEXT(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list more;
    mode_t mode;

    va_start(more, flags);
    mode = mode_of(flags, more);
    va_end(more);
    return is_device(path) ? connect_machine() : NEXT(open64)(path, flags, mode);
}

/* What fortified programs call instead. */
int __open_2(const char *path, int flags)
{
    return open(path, flags);
}

int __open64_2(const char *path, int flags)
{
    return open64(path, flags);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list more;
    void *argument;

    va_start(more, request);
    argument = va_arg(more, void *);
    va_end(more);
    if (fd < 0 || fd >= MAX_FDS || !connected[fd])
        return NEXT(ioctl)(fd, request, argument);
    if (request == IOCTL_PRIVCMD_HYPERCALL)
        return make_hypercall(fd, argument);
    errno = ENOTTY;
    return -1;
}

int close(int fd)
{
    if (fd >= 0 && fd < MAX_FDS)
        connected[fd] = 0;
    return NEXT(close)(fd);
}
