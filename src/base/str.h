/*
 * A text that grows. Additions that fail leave the text as it was and MM_ENOMEM
 * pending, so a whole text is built first and checked once, by mmi_str_take() or
 * mm_pending().
 *
 *     mmi_str text = {0};
 *     mmi_str_add(&text, "a");
 *     mmi_str_addf(&text, "%d", 1);
 *     return mmi_str_take(&text);
 */
#ifndef MMI_BASE_STR_H
#define MMI_BASE_STR_H

#include "base/memory.h"

typedef struct mmi_str {
    char *data;  /* zero-terminated once anything was added; else NULL */
    size_t size; /* bytes without the zero */
    size_t capacity;
} mmi_str;

void mmi_str_deinit(mmi_str *str);
/* Empties it and keeps the memory. */
void mmi_str_clear(mmi_str *str);
/* Cuts it to `size` bytes. */
void mmi_str_cut(mmi_str *str, size_t size);
/* NULL adds nothing if an error is pending. */
void mmi_str_add(mmi_str *str, const char *text);
void mmi_str_add_n(mmi_str *str, const char *text, size_t size);
void mmi_str_add_char(mmi_str *str, char c);
void mmi_str_add_i64(mmi_str *str, int64_t value);
/* The low `size` bytes of a number, at most 8, the lowest first. */
void mmi_str_add_little(mmi_str *str, uint64_t number, int size);
/* Python's repr of a float. */
void mmi_str_add_f64(mmi_str *str, double value);
void mmi_str_addf(mmi_str *str, const char *format, ...) MM_PRINTF(2, 3);
/* Adds `count` bytes that are not set and returns them; NULL on failure. */
char *mmi_str_extend(mmi_str *str, size_t count);
/* The text, "" if empty; borrowed. */
const char *mmi_str_text(const mmi_str *str);
/* Hands out the text (mm_free()) and empties the builder. NULL: an error is pending,
 * and the text is freed. */
char *mmi_str_take(mmi_str *str);

#endif
