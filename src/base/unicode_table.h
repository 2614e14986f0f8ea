/* The generated table behind mmi_unicode_is_printable(). */
#ifndef MMI_BASE_UNICODE_TABLE_H
#define MMI_BASE_UNICODE_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* Ascending ranges [first, last] from 0x80 on. */
extern const uint32_t mmi_unicode_unprintable[][2];
extern const size_t mmi_unicode_num_unprintable;

#endif
