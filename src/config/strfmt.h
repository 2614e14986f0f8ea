/* Format specs, shared by the ways of formatting. */
#ifndef MM_CONFIG_STRFMT_H
#define MM_CONFIG_STRFMT_H

#include "config/eval.h"

/* [[fill]align][sign][#][0][width][grouping][.precision][type] */
typedef struct mmi_spec {
    uint32_t fill;
    char align; /* one of <>=^, 0: by type */
    char sign;  /* one of "+- ", 0 */
    bool alternate;
    bool zero;         /* '0' before the width */
    int64_t width;     /* -1: none */
    char group;        /* ',' or '_', 0 */
    int64_t precision; /* -1: none */
    char type;         /* 0: by value */
} mmi_spec;

/* False if the text is no format spec. */
bool mmi_spec_parse(const char *spec, size_t size, mmi_spec *out);
/* '%.*g'; with `keep_zeros` '%#.*g'. */
void mmi_str_add_general(mmi_str *out, double value, int digits, bool keep_zeros);

#endif
