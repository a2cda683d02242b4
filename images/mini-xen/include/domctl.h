/* The domctl sub-operations that mini-Xen has, and their structures. */
#ifndef MINI_XEN_DOMCTL_H
#define MINI_XEN_DOMCTL_H

#include "xen.h"

#define XEN_DOMCTL_INTERFACE_VERSION 0x0000000b
#define DOMID_SELF 0x7ff0

enum {
    XEN_DOMCTL_pausedomain = 3,
    XEN_DOMCTL_unpausedomain = 4,
    XEN_DOMCTL_getdomaininfo = 5,
    XEN_DOMCTL_getvcpuinfo = 14,
    XEN_DOMCTL_max_vcpus = 15,
    XEN_DOMCTL_settimeoffset = 24,
    XEN_DOMCTL_get_address_size = 36,
    XEN_DOMCTL_get_ext_vcpucontext = 43,
    XEN_DOMCTL_gettscinfo = 59,
    /* ours: work of a chosen length and depth, for stacks to be looked at */
    XEN_DOMCTL_long_loop = 2000,
    XEN_DOMCTL_deep_call = 2001,
};

struct xen_domctl_getdomaininfo {
    u16 domain;
    u16 pad;
    u32 flags; /* 1: dying .. 16: running; bit 8: privileged (ours) */
    u64 tot_pages, max_pages, shared_info_frame, cpu_time;
    u32 nr_online_vcpus, max_vcpu_id, ssidref;
    u8 handle[16];
    u32 cpupool;
};

struct xen_domctl_getvcpuinfo {
    u32 vcpu;
    u8 online, blocked, running, pad;
    u64 cpu_time;
    u32 cpu, pad2;
};

/* 72 bytes, of which the hypervisor fills 24 (XSA-132 in mini-Xen's words) */
struct xen_domctl_ext_vcpucontext {
    u32 vcpu, size;
    u64 sysenter_callback_eip;
    u64 syscall32_callback_eip;
    u64 mce[6];
};

struct xen_domctl_work {
    u64 amount, result;
};

struct xen_domctl {
    u32 cmd, interface_version;
    u16 domain, pad[3];
    union {
        struct xen_domctl_getdomaininfo getdomaininfo;
        struct xen_domctl_getvcpuinfo getvcpuinfo;
        struct xen_domctl_ext_vcpucontext ext_vcpucontext;
        struct xen_domctl_work work;
        u32 max_vcpus;
        s32 time_offset_seconds;
        u32 address_size;
        struct { u32 mode, khz, incarnation, pad; u64 elapsed; } tsc_info;
        u8 pad[128];
    } u;
};
_Static_assert(sizeof(struct xen_domctl) == 144, "xen_domctl");

#endif
