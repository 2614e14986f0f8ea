/* Writing configs as text. */
#ifndef MM_CONFIG_DUMP_H
#define MM_CONFIG_DUMP_H

#include "mmengine/config.h"

/* Python source of a dict: `key = value` lines. mm_free(). */
MM_OWNED char *mmi_dump_python(const mm_value *dict, mm_config_order order);
/* Python source of any value, on one line. mm_free(). */
MM_OWNED char *mmi_dump_inline(const mm_value *value);
/* JSON with marks for what JSON has not: see mm_config_json(). mm_free(). */
MM_OWNED char *mmi_dump_json(const mm_value *value);

#endif
