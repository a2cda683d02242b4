/* The XENVER_* sub-operations and their structures, as guests see them. */
#ifndef MINI_XEN_VERSION_H
#define MINI_XEN_VERSION_H

#include "xen.h"

enum {
    XENVER_version, XENVER_extraversion, XENVER_compile_info, XENVER_capabilities,
    XENVER_changeset, XENVER_platform_parameters, XENVER_get_features, XENVER_pagesize,
    XENVER_guest_handle, XENVER_commandline, XENVER_build_id,
};

typedef char xen_extraversion_t[16];
typedef char xen_capabilities_info_t[1024];
typedef char xen_changeset_info_t[64];
typedef char xen_commandline_t[1024];

struct xen_compile_info {
    char compiler[64];
    char compile_by[16];
    char compile_domain[32];
    char compile_date[32];
};

struct xen_platform_parameters {
    u64 virt_start;
};

struct xen_feature_info {
    u32 submap_idx;
    u32 submap;
};

typedef u8 xen_domain_handle_t[16];

struct xen_build_id {
    u32 len;
    u8 buf[];
};

#endif
