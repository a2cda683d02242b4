/*
 * do_xen_version, without its first 16 bytes (arch/do_xen_version.S, which fall through to
 * xen_version_body) and with its last part at +0x534.
 *
 * XSA-125 as the RFC tells it: some sub-operations have a structure on the stack, fill it as far as
 * their strings go, and copy all of it to the guest. Sub-operations 2, 3, 4 and 9 do.
 */
#include "version.h"

extern const u32 __note_gnu_build_id_start[], __note_gnu_build_id_end[];

static noinline long put(u64 guest, const void *from, u64 bytes)
{
    return copy_to_guest(guest, from, bytes) ? -EFAULT : 0;
}

__attribute__((section(".text.do_xen_version.body"))) long xen_version_body(int cmd, u64 arg)
{
    union {
        xen_extraversion_t extraversion;
        struct xen_compile_info compile_info;
        xen_capabilities_info_t capabilities;
        xen_changeset_info_t changeset;
        xen_commandline_t commandline;
        struct xen_platform_parameters platform;
        struct xen_feature_info feature;
        xen_domain_handle_t handle;
    } u;

    if ((u32)cmd > XENVER_commandline)
        __builtin_unreachable(); /* the entry has compared */
    switch (cmd) {
    case XENVER_version:
        return (xen_major_version() << 16) | xen_minor_version();

    case XENVER_extraversion:
        strlcpy(u.extraversion, xen_extra_version(), sizeof(u.extraversion));
        return put(arg, u.extraversion, sizeof(u.extraversion));

    case XENVER_compile_info:
        strlcpy(u.compile_info.compiler, xen_compiler(), sizeof(u.compile_info.compiler));
        strlcpy(u.compile_info.compile_by, xen_compile_by(), sizeof(u.compile_info.compile_by));
        strlcpy(u.compile_info.compile_domain, xen_compile_domain(),
                sizeof(u.compile_info.compile_domain));
        strlcpy(u.compile_info.compile_date, xen_compile_date(),
                sizeof(u.compile_info.compile_date));
        return put(arg, &u.compile_info, sizeof(u.compile_info));

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

    case XENVER_pagesize:
        return PAGE_SIZE;

    case XENVER_guest_handle:
        for (u32 i = 0; i < sizeof(u.handle); i++)
            u.handle[i] = current->domain->domain_id;
        return put(arg, u.handle, sizeof(u.handle));

    case XENVER_commandline:
        strlcpy(u.commandline, xen_commandline(), sizeof(u.commandline));
        return put(arg, u.commandline, sizeof(u.commandline));
    }
    __builtin_unreachable();
}

/* What the entry's `ja` reaches: sub-operations above 9. */
__attribute__((section(".text.do_xen_version.high"))) long xen_version_high(u32 cmd, u64 arg)
{
    const u32 *note = __note_gnu_build_id_start; /* namesz 4, descsz, type 3, "GNU\0", the id */
    struct xen_build_id header;

    if (cmd != XENVER_build_id)
        return -ENOSYS;
    if (!current->domain->is_privileged)
        return -EPERM;
    if (__note_gnu_build_id_end - note < 4 || note[0] != 4 || note[2] != 3)
        return -ENODATA;
    if (arg == 0)
        return note[1];
    if (copy_from_guest(&header, arg, sizeof(header)))
        return -EFAULT;
    if (header.len == 0)
        return -EINVAL;
    if (header.len < note[1])
        return -ENOBUFS;
    if (put(arg + sizeof(header), note + 4, note[1]))
        return -EFAULT;
    return note[1];
}
