/* A folder of their own for test programs that see the public headers alone; the others
 * have mmi_os_temp_dir(). */
#ifndef TESTS_TEMP_FOLDER_H
#define TESTS_TEMP_FOLDER_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Makes "<TMPDIR>/<prefix>-XXXXXX"; its path goes to `out`. */
static inline bool make_temp_folder(char *out, size_t out_size, const char *prefix)
{
    const char *base = getenv("TMPDIR");
    /* lint: allow machine-path, what POSIX has where TMPDIR says nothing */
    const char *otherwise = "/tmp";

    (void)snprintf(out, out_size, "%s/%s-XXXXXX",
                   base != NULL && base[0] != '\0' ? base : otherwise, prefix);
    return mkdtemp(out) != NULL;
}

#endif
