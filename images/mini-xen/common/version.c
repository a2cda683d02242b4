/* What this hypervisor says it is. Fixed, so that the image is the same whoever builds it. */
#include "xen.h"

u32 xen_major_version(void) { return 4; }
u32 xen_minor_version(void) { return 6; }
const char *xen_extra_version(void) { return "-unstable-g9348394"; }
const char *xen_compiler(void) { return "gcc (Debian 12.2.0-14) 12.2.0"; }
const char *xen_compile_by(void) { return "xsplice"; }
const char *xen_compile_domain(void) { return "mini-xen.example"; }
const char *xen_compile_date(void) { return "Mon Jul 27 15:20:16 EDT 2015"; }
const char *xen_changeset(void) { return "Mon Jul 27 15:20:16 2015 -0400 git:9348394"; }
const char *xen_capabilities(void) { return "xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_64 "; }
const char *xen_commandline(void) { return "console=vga dom0_mem=1024M loglvl=all"; }
