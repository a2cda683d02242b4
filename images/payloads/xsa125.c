/*
 * XSA-125 (in the RFC's words: pre-fill structures for certain xen_version sub-operations).
 *
 * Replaces do_xen_version by an entry trampoline. The new function answers every sub-operation as the
 * old one does, calls back into the image for it, and clears what it gives to the guest first.
 * Visible: xen_version 2, 3, 4 and 9 hand out bytes of earlier hypercalls before, zeros after.
 */
#include "payload.h"
#include "version.h"

extern const u32 __note_gnu_build_id_start[];

static noinline long put(u64 guest, const void *from, u64 bytes)
{
    return copy_to_guest(guest, from, bytes) ? -EFAULT : 0;
}

static noinline long put_build_id(u64 arg)
{
    const u32 *note = __note_gnu_build_id_start;
    u32 len;

    if (!current->domain->is_privileged)
        return -EPERM;
    if (arg == 0)
        return note[1];
    if (copy_from_guest(&len, arg, sizeof(len)))
        return -EFAULT;
    if (len == 0)
        return -EINVAL;
    if (len < note[1])
        return -ENOBUFS;
    return put(arg + sizeof(len), note + 4, note[1]) ? -EFAULT : (long)note[1];
}

long new_do_xen_version(u32 cmd, u64 arg)
{
    union {
        xen_extraversion_t extraversion;
        struct xen_compile_info info;
        xen_capabilities_info_t capabilities;
        xen_changeset_info_t changeset;
        xen_commandline_t commandline;
        struct xen_platform_parameters platform;
        struct xen_feature_info feature;
        xen_domain_handle_t handle;
    } u;

    switch (cmd) {
    case XENVER_version:
        return (xen_major_version() << 16) | xen_minor_version();
    case XENVER_pagesize:
        return PAGE_SIZE;
    case XENVER_build_id:
        return put_build_id(arg);
    }
    if (cmd > XENVER_build_id)
        return -ENOSYS;

    memset(&u, 0, sizeof(u)); /* the fix */
    switch (cmd) {
    case XENVER_extraversion:
        strlcpy(u.extraversion, xen_extra_version(), sizeof(u.extraversion));
        return put(arg, u.extraversion, sizeof(u.extraversion));
    case XENVER_compile_info:
        strlcpy(u.info.compiler, xen_compiler(), sizeof(u.info.compiler));
        strlcpy(u.info.compile_by, xen_compile_by(), sizeof(u.info.compile_by));
        strlcpy(u.info.compile_domain, xen_compile_domain(), sizeof(u.info.compile_domain));
        strlcpy(u.info.compile_date, xen_compile_date(), sizeof(u.info.compile_date));
        return put(arg, &u.info, sizeof(u.info));
    case XENVER_capabilities:
        strlcpy(u.capabilities, xen_capabilities(), sizeof(u.capabilities));
        return put(arg, u.capabilities, sizeof(u.capabilities));
    case XENVER_changeset:
        strlcpy(u.changeset, xen_changeset(), sizeof(u.changeset));
        return put(arg, u.changeset, sizeof(u.changeset));
    case XENVER_platform_parameters:
        u.platform.virt_start = HYPERVISOR_VIRT_START;
        return put(arg, &u.platform, sizeof(u.platform));
    case XENVER_get_features:
        if (copy_from_guest(&u.feature, arg, sizeof(u.feature)))
            return -EFAULT;
        u.feature.submap = u.feature.submap_idx == 0 ? 0x2705 : 0;
        return put(arg, &u.feature, sizeof(u.feature));
    case XENVER_guest_handle:
        memset(u.handle, current->domain->domain_id, sizeof(u.handle));
        return put(arg, u.handle, sizeof(u.handle));
    case XENVER_commandline:
        strlcpy(u.commandline, xen_commandline(), sizeof(u.commandline));
        return put(arg, u.commandline, sizeof(u.commandline));
    }
    return -ENOSYS;
}

XSPLICE_REPLACE_FUNCTION("xsa125", BUILD_ID, "do_xen_version", ADDR_do_xen_version,
                         OLD_SIZE_do_xen_version, new_do_xen_version,
                         SIZE_OF(new_do_xen_version));
