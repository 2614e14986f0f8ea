/* Files of safetensors: any bytes are tensors that cover the file, or an error. */
#include "fuzz_container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *copy = malloc(size > 0 ? size : 1);

    if (size > 0) {
        memcpy(copy, data, size);
    }
    read_container(copy, size, "x.safetensors");
    if (size >= 8) { /* a length that is right gets further */
        for (int i = 0; i < 8; i++) {
            copy[i] = (unsigned char)((size - 8 - copy[0] % (size - 7)) >> (8 * i));
        }
        read_container(copy, size, "x.safetensors");
    }
    free(copy);
    return 0;
}
