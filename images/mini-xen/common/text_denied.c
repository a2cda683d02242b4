/* The same literal as text.c's: after linking there is one, with two users. */
#include "xen.h"

const char *text_denied(void)
{
    return "operation not permitted for this domain";
}
