/* CRC-32 on processors with carry-less multiplication. */
#ifndef MMI_BASE_CRC32_X86_H
#define MMI_BASE_CRC32_X86_H

#include <stddef.h>
#include <stdint.h>

/* `size` is a multiple of 16 and at least 64; PCLMUL and SSE4.1 are there. */
uint32_t mmi_crc32_x86(uint32_t crc, const unsigned char *data, size_t size);

#endif
