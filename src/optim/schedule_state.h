/** @file
 * Reading and writing the small numbers of state dicts. All calls do nothing while an
 * error is pending, so a caller checks once, at the end.
 */
#ifndef MMI_OPTIM_SCHEDULE_STATE_H
#define MMI_OPTIM_SCHEDULE_STATE_H

#include "mmengine/component.h"

/** An int if `value` is one, else a float: what Python would hold. */
void mmi_put_number(mm_value *dict, const char *key, double value);
/** None, or a number. */
void mmi_put_maybe(mm_value *dict, const char *key, mm_maybe_f64 value);
/** A list of floats; yours. */
mm_value *mmi_f64s_new(const double *values, size_t count);
/** A list of ints; yours. */
mm_value *mmi_i64s_new(const int64_t *values, size_t count);

/** Each reads `key` if it is there and leaves `out` alone if not. MM_ETYPE otherwise.
 */
void mmi_read_bool(const mm_value *dict, const char *key, bool *out);
void mmi_read_i64(const mm_value *dict, const char *key, int64_t *out);
void mmi_read_f64(const mm_value *dict, const char *key, double *out);
void mmi_read_maybe(const mm_value *dict, const char *key, mm_maybe_f64 *out);
/** Reads a list of exactly `count` numbers; MM_EDATA for another length. */
void mmi_read_f64s(const mm_value *dict, const char *key, double *out, size_t count);

#endif
