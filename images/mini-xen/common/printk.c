/* The console: one byte per `out` to port 0xe9. */
#include "xen.h"

typedef __builtin_va_list va_list;

void console_putc(char c)
{
    __asm__ volatile("out %0,$0xe9" : : "a"(c));
}

static u32 put_number(char *buf, u32 at, u32 size, u64 value, u32 base)
{
    char digits[24];
    u32 n = 0;

    do {
        u32 digit = value % base;

        digits[n++] = digit < 10 ? '0' + digit : 'a' + digit - 10;
        value /= base;
    } while (value);
    while (n && at + 1 < size)
        buf[at++] = digits[--n];
    return at;
}

static u32 format(char *buf, u32 size, const char *fmt, va_list args)
{
    u32 at = 0;

    for (; *fmt && at + 1 < size; fmt++) {
        if (*fmt != '%') {
            buf[at++] = *fmt;
            continue;
        }
        bool wide = *++fmt == 'l';

        if (wide)
            fmt++;
        switch (*fmt) {
        case 's':
            for (const char *s = __builtin_va_arg(args, const char *); *s && at + 1 < size; s++)
                buf[at++] = *s;
            break;
        case 'd': {
            s64 v = wide ? __builtin_va_arg(args, s64) : __builtin_va_arg(args, s32);

            if (v < 0)
                buf[at++] = '-';
            at = put_number(buf, at, size, v < 0 ? -(u64)v : (u64)v, 10);
            break;
        }
        case 'u':
        case 'x':
            at = put_number(buf, at, size,
                            wide ? __builtin_va_arg(args, u64) : __builtin_va_arg(args, u32),
                            *fmt == 'x' ? 16 : 10);
            break;
        case 'p':
            at = put_number(buf, at, size, __builtin_va_arg(args, u64), 16);
            break;
        case '\0':
            fmt--;
            break;
        default:
            buf[at++] = *fmt;
        }
    }
    buf[at] = '\0';
    return at;
}

void printk(const char *fmt, ...)
{
    char line[256];
    va_list args;
    u32 n;

    __builtin_va_start(args, fmt);
    n = format(line, sizeof(line), fmt, args);
    __builtin_va_end(args);
    for (const char *s = "(XEN) "; *s; s++)
        console_putc(*s);
    for (u32 i = 0; i < n; i++)
        console_putc(line[i]);
}
