/* A folder for one test, for test programs that see the private headers. */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include "check.h"

#include "base/os.h"

/* Yours: remove_scratch() removes and frees it. */
static inline char *make_scratch(void)
{
    char *folder = mmi_os_temp_dir("mm-test");

    check_ok();
    return folder;
}

static inline void remove_scratch(char *folder)
{
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    mm_free(folder);
}

#endif
