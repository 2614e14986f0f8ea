/* Raises an error through the installed library and reads it back: headers and library
 * belong together, and nothing of libtorch is needed. */
#include <mmengine/status.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    mm_error error;

    (void)mm_raise(MM_EKEY, "no layer named '%s'", "conv9");
    if (mm_error_take(&error) != MM_EKEY || mm_pending() != MM_OK) {
        return 1;
    }
    if (strcmp(error.message, "no layer named 'conv9'") != 0) {
        return 2;
    }
    printf("%s\n", error.message);
    return 0;
}
