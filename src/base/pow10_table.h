/* The generated table behind number.c. */
#ifndef MMI_BASE_POW10_TABLE_H
#define MMI_BASE_POW10_TABLE_H

#include <stdint.h>

enum { MMI_POW10_FIRST = -342, MMI_POW10_LAST = 324 };

/* {high, low} 64 bits of each power, the highest bit set. */
extern const uint64_t mmi_pow10[MMI_POW10_LAST - MMI_POW10_FIRST + 1][2];

#endif
