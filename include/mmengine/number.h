/** @file
 * Numbers as text. Everything here reads and writes the C locale's form whatever locale
 * the host has set, never allocates, and gives the same text on every machine. Floats
 * are written as Python writes them: the shortest text that reads back as the same
 * number.
 */
#ifndef MMENGINE_NUMBER_H
#define MMENGINE_NUMBER_H

#include "mmengine/status.h"

MM_BEGIN_DECLS

enum {
    MM_F64_TEXT_SIZE = 32, /**< bytes that hold any text of mm_f64_format() */
    MM_I64_TEXT_SIZE = 24  /**< bytes that hold any text of mm_i64_format() */
};

/**
 * Writes Python's repr of a float: "1.0", "1e-05", "1e+16", "inf", "nan".
 * `out` has MM_F64_TEXT_SIZE bytes. Returns the length without the terminating zero.
 */
MM_API size_t mm_f64_format(double value, char *out);

/**
 * Writes Python's `'%.*f' % (digits, value)`: "0.1000". Correctly rounded.
 * Returns the length that is needed without the terminating zero, as snprintf does.
 */
MM_API size_t mm_f64_format_fixed(double value, int digits, char *out, size_t out_size);

/** The same for `'%.*e'`: "1.0000e-01". */
MM_API size_t mm_f64_format_exponent(double value, int digits, char *out,
                                     size_t out_size);

/** The same for `'%.*g'`: at most `digits` significant digits, "0.1", "1e-05". */
MM_API size_t mm_f64_format_general(double value, int digits, char *out,
                                    size_t out_size);

/**
 * Reads the number at the beginning of `text`, correctly rounded: decimal digits with
 * an optional sign, point and exponent; or inf, infinity, nan in any case. No spaces,
 * no underscores. Too large is infinity, too small is 0. Returns the bytes read; 0 and
 * `out` untouched if there is no number. Raises nothing.
 */
MM_API size_t mm_f64_scan(const char *text, size_t size, double *out);

/** Reads a whole text as a float. Errors: MM_EINVAL with the text. */
MM_API mm_status mm_f64_parse(const char *text, double *out) MM_MUST_USE;

/** Writes an int; `out` has MM_I64_TEXT_SIZE bytes. Returns the length. */
MM_API size_t mm_i64_format(int64_t value, char *out);

/** Reads a whole text as a decimal int with an optional sign. Errors: MM_EINVAL,
 * MM_ERANGE for more than 64 bits. */
MM_API mm_status mm_i64_parse(const char *text, int64_t *out) MM_MUST_USE;

MM_END_DECLS

#endif
