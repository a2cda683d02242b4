/* Strings: an array of its own, and one literal in two functions, which compiler and linker merge. */
#include "xen.h"

const char console_banner[32] = "mini-Xen console, no patches";

const char *text_refused(void)
{
    return "operation not permitted for this domain";
}

const char *text_banner(void)
{
    return console_banner;
}

const char *text_denied(void); /* text_denied.c */

/* which 0, 1, 2: the text goes to the guest's buffer, its length comes back; also to the console */
long do_text(u32 which, u64 buffer)
{
    const char *s;
    u64 n;

    if (which == 0)
        s = text_refused();
    else if (which == 1)
        s = text_denied();
    else if (which == 2)
        s = text_banner();
    else
        return -EINVAL;
    n = strlen(s);
    printk("%s\n", s);
    if (buffer && copy_to_guest(buffer, s, n + 1))
        return -EFAULT;
    return n;
}
