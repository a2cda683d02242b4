/*
 * A longer string, by allocating it and updating every place that uses the old one (R179): the two `lea`
 * of text_refused and text_denied get displacements to the new string, which is read-only data of the
 * payload. The old string stays as it is, without users.
 * Visible: both `call text_refused --string` and `call text_denied --string` give the long text.
 */
#include "payload.h"

#define AT 3 /* lea disp32(%rip),%rax: the field */

static const char new_text[] =
    "operation not permitted for this domain, and neither would it be for any other";

DEFINE_HOWTO(rel32, XSPLICE_HOWTO_REL32);
DEFINE_SYMBOL(refused, "text_refused", "+<0x3>");
DEFINE_SYMBOL(denied, "text_denied", "+<0x3>");
XSPLICE_RELOCS struct xsplice_reloc relocs[] = {
    FIELD_RELOC(text_refused, refused, AT, -4, rel32),
    FIELD_RELOC(text_denied, denied, AT, -4, rel32),
};
XSPLICE_SECTIONS struct xsplice_section sections[] = {
    OBJECT_SECTION(text_refused, refused, XSPLICE_SECTION_TEXT | XSPLICE_SECTION_TEXT_INLINE),
    OBJECT_SECTION(text_denied, denied, XSPLICE_SECTION_TEXT | XSPLICE_SECTION_TEXT_INLINE),
};
XSPLICE_PATCHES struct xsplice_patch patches[] = {
    FIELD_PATCH(XSPLICE_PATCH_INLINE_TEXT, text_refused, AT, new_text),
    FIELD_PATCH(XSPLICE_PATCH_INLINE_TEXT, text_denied, AT, new_text),
};
XSPLICE_PAYLOAD("string-new", BUILD_ID, NULL);
