/* Containers of torch.save, both formats. A file whose checksums are wrong is refused
 * at once, so each input is also read with its checksums put right: what lies behind
 * them must be safe as well. */
#include "fuzz_container.h"

#include "base/checksum.h"
#include "fileio/zip.h"

/* Places of the checksum in an entry of the directory, and of the name behind it. */
enum { CRC_AT = 16, NAME_AT = 46 };

/* Puts the checksums of stored entries right. */
static void mend_checksums(unsigned char *data, size_t size)
{
    mmi_zip zip;

    if (mmi_zip_init(&zip, data, size, "x") == MM_OK) {
        for (size_t i = 0; i < zip.count; i++) {
            const mmi_zip_entry *entry = &zip.entries[i];
            const unsigned char *bytes = mmi_zip_packed(&zip, entry);

            take_error(NULL);
            if (bytes == NULL || entry->method != MMI_ZIP_STORED) {
                continue;
            }
            uint32_t crc = mmi_crc32(0, bytes, (size_t)entry->size);
            unsigned char *place =
                data + ((const unsigned char *)entry->name - data) - NAME_AT + CRC_AT;

            for (int k = 0; k < 4; k++) {
                place[k] = (unsigned char)(crc >> (8 * k));
            }
        }
    }
    take_error(NULL);
    mmi_zip_deinit(&zip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *copy = malloc(size > 0 ? size : 1);

    if (size > 0) {
        memcpy(copy, data, size);
    }
    read_container(copy, size, "x.pth");
    mend_checksums(copy, size);
    read_container(copy, size, "x.pth");
    free(copy);
    return 0;
}
