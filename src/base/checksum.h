/* Checksums of files and data. All can be fed in pieces. */
#ifndef MMI_BASE_CHECKSUM_H
#define MMI_BASE_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CRC-32 as in zip, gzip and PNG. Begin with 0; feed the former result for the next
 * piece. */
uint32_t mmi_crc32(uint32_t crc, const void *data, size_t size);
/* The CRC of two pieces laid end to end, from the CRC of each and the second's size. */
uint32_t mmi_crc32_join(uint32_t first, uint32_t second, uint64_t second_size);
/* CRC-32C (Castagnoli), as in TensorBoard's records. */
uint32_t mmi_crc32c(uint32_t crc, const void *data, size_t size);

enum { MMI_SHA256_SIZE = 32, MMI_SHA256_TEXT_SIZE = 65 };

typedef struct mmi_sha256 {
    uint32_t state[8];
    uint64_t size; /* bytes fed so far */
    uint8_t block[64];
} mmi_sha256;

void mmi_sha256_init(mmi_sha256 *sha);
void mmi_sha256_add(mmi_sha256 *sha, const void *data, size_t size);
void mmi_sha256_finish(mmi_sha256 *sha, uint8_t out[MMI_SHA256_SIZE]);
/* The hash of some bytes as lower-case hexadecimal text. */
void mmi_sha256_text(const void *data, size_t size, char out[MMI_SHA256_TEXT_SIZE]);
/* Any bytes as lower-case hexadecimal text; `out` has 2 * size + 1 bytes. */
void mmi_hex(const void *data, size_t size, char *out);

#endif
