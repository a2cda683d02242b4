/*
 * The RFC's worked example (requirement R63) with exactly its values: addresses, sizes, flags, labels,
 * counts and id (its document names the build-id in hexadecimal), and with version, id_size and the
 * howto's size left zero as there (K4, K5). Only the new code is ours, and it is real.
 *
 * The 1728 bytes begin `83 ff 09` (rfc-example.S); the recipe's linker script puts the two C functions
 * below behind that entry, at +16 and +0x534, as mini-Xen's own do_xen_version is made.
 * Visible: as xsa125.
 */
#include "payload.h"
#include "version.h"

#define PART(name) __attribute__((section(".text.rfc." name)))

extern const u32 __note_gnu_build_id_start[];
extern char do_xen_version_new_code[1728];

static noinline PART("tail") long fill_text(u64 guest, char *buf, const char *s, u64 size)
{
    memset(buf, 0, size);
    strlcpy(buf, s, size);
    return copy_to_guest(guest, buf, size) ? -EFAULT : 0;
}

static noinline PART("tail") long fill_compile_info(u64 guest, struct xen_compile_info *info)
{
    memset(info, 0, sizeof(*info));
    strlcpy(info->compiler, xen_compiler(), sizeof(info->compiler));
    strlcpy(info->compile_by, xen_compile_by(), sizeof(info->compile_by));
    strlcpy(info->compile_domain, xen_compile_domain(), sizeof(info->compile_domain));
    strlcpy(info->compile_date, xen_compile_date(), sizeof(info->compile_date));
    return copy_to_guest(guest, info, sizeof(*info)) ? -EFAULT : 0;
}

PART("body") long rfc_body(u32 cmd, u64 arg)
{
    union {
        char text[1024];
        struct xen_compile_info info;
        u64 words[2];
        u32 feature[2];
    } u;

    switch (cmd) {
    case XENVER_version:
        return (xen_major_version() << 16) | xen_minor_version();
    case XENVER_extraversion:
        return fill_text(arg, u.text, xen_extra_version(), sizeof(xen_extraversion_t));
    case XENVER_compile_info:
        return fill_compile_info(arg, &u.info);
    case XENVER_capabilities:
        return fill_text(arg, u.text, xen_capabilities(), sizeof(xen_capabilities_info_t));
    case XENVER_changeset:
        return fill_text(arg, u.text, xen_changeset(), sizeof(xen_changeset_info_t));
    case XENVER_platform_parameters:
        u.words[0] = HYPERVISOR_VIRT_START;
        return copy_to_guest(arg, u.words, 8) ? -EFAULT : 0;
    case XENVER_get_features:
        if (copy_from_guest(u.feature, arg, sizeof(u.feature)))
            return -EFAULT;
        u.feature[1] = u.feature[0] == 0 ? 0x2705 : 0;
        return copy_to_guest(arg, u.feature, sizeof(u.feature)) ? -EFAULT : 0;
    case XENVER_pagesize:
        return PAGE_SIZE;
    case XENVER_guest_handle:
        memset(u.words, current->domain->domain_id, sizeof(u.words));
        return copy_to_guest(arg, u.words, sizeof(u.words)) ? -EFAULT : 0;
    case XENVER_commandline:
        return fill_text(arg, u.text, xen_commandline(), sizeof(xen_commandline_t));
    }
    return -ENOSYS;
}

/* sub-operations above 9: where the entry's `ja` goes */
PART("high") long rfc_high(u32 cmd, u64 arg)
{
    const u32 *note = __note_gnu_build_id_start;
    u32 len;

    if (cmd != XENVER_build_id)
        return -ENOSYS;
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
    return copy_to_guest(arg + sizeof(len), note + 4, note[1]) ? -EFAULT : (long)note[1];
}

DEFINE_SYMBOL(do_xen_version_symbol, "do_xen_version", "+<0x0>");
DEFINE_HOWTO(do_xen_version_howto, {
    .howto = XSPLICE_HOWTO_RELOC_PATCH,
    .flag = XSPLICE_HOWTO_FLAG_PC_REL,
    .r_shift = 0,
    .mask = -1ULL,
});

XSPLICE_RELOCS struct xsplice_reloc relocs[1] = { {
    .addr = 0xffff82d080112f9e,
    .symbol = &do_xen_version_symbol,
    .isns_target = 0,
    .howto = &do_xen_version_howto,
    .isns_added = -4,
} };

XSPLICE_SECTIONS struct xsplice_section sections[1] = { {
    .symbol = &do_xen_version_symbol,
    .address = 0xffff82d080112f9e,
    .size = 1728,
    .flags = XSPLICE_SECTION_TEXT,
} };

XSPLICE_PATCHES struct xsplice_patch patches[1] = { {
    .type = XSPLICE_PATCH_RELOC_TEXT,
    .size = 1728,
    .addr = 0,
    .content = &do_xen_version_new_code,
} };

XSPLICE_PAYLOAD("xsa125", BUILD_ID, NULL);
