/* records.jsonl: a JSON object per line,
 *
 *     {"mode": "train", "epoch": 1, "iter": 10, "samples": 640,
 *      "wall_time": "2024-08-21T02:58:41.000+02:00", "seconds": 12.5,
 *      "scalars": {"lr": 0.1, "loss": 2.1, ...}}
 *
 * MMEngine's scalars.json says neither of which loop a record is nor, in validation, at
 * which iteration. A run begins with a record of mode "start" that says where it goes
 * on: records of earlier ones behind that iteration are done again. */
#include "hooks/record_file.h"

#include <stdio.h>
#include <string.h>

#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/memory.h"
#include "mmengine/tensor.h"

mm_status mmi_record_file_open(mmi_record_file *records, const char *folder)
{
    mm_free(records->path);
    records->path = mm_path_join(folder, "records.jsonl");
    records->file = (mmi_file)MMI_NO_FILE;
    records->begin_ns = mmi_clock_ns();
    return mm_pending();
}

/* "2024-08-21T02:58:41.123+02:00" */
static void iso_time(int64_t wall_ns, char *out, size_t out_size)
{
    enum { DATE = 19, ZONE = 5 }; /* "2024-08-21T02:58:41" "+0200" */
    char text[40];

    if (mmi_time_text(wall_ns, "%Y-%m-%dT%H:%M:%S%z", text, sizeof(text)) !=
        DATE + ZONE)
        (void)snprintf(text, sizeof(text), "1970-01-01T00:00:00+0000");
    (void)snprintf(out, out_size, "%.*s.%03d%.3s:%s", DATE, text,
                   (int)(wall_ns / 1000000 % 1000), text + DATE, text + DATE + 3);
}

/* The line of a record; mm_free(). */
static char *make_line(const mmi_record_file *records, const mmi_record *record)
{
    mm_value *dict = mm_value_new_dict();
    char date[64];

    iso_time(mmi_wall_ns(), date, sizeof(date));
    mm_dict_put_str(dict, "mode", record->mode);
    mm_dict_put_i64(dict, "epoch", record->epoch);
    mm_dict_put_i64(dict, "iter", record->iter);
    mm_dict_put_i64(dict, "samples", record->samples);
    mm_dict_put_str(dict, "wall_time", date);
    mm_dict_put_f64(dict, "seconds",
                    (double)((mmi_clock_ns() - records->begin_ns) / 1000000) * 1e-3);
    mm_dict_take(dict, "scalars",
                 record->scalars != NULL ? mm_value_ref(record->scalars)
                                         : mm_value_new_dict());
    char *text = mm_json_format(dict, NULL);
    char *line = text == NULL ? NULL : mm_strfmt("%s\n", text);

    mm_free(text);
    mm_value_unref(dict);
    return line;
}

static mm_status open_file(mmi_record_file *records)
{
    char *folder = mm_path_dirname(records->path);

    if (folder != NULL && mm_make_dirs(folder) == MM_OK)
        (void)mmi_file_open_lines(&records->file, records->path);
    mm_free(folder);
    return mm_pending();
}

mm_status mmi_record_file_add(mmi_record_file *records, const mmi_record *record)
{
    char *line = make_line(records, record);

    if (line != NULL && !mmi_file_is_open(&records->file))
        (void)open_file(records);
    if (!mm_has_error())
        (void)mmi_file_append(&records->file, line, strlen(line));
    mm_free(line);
    return mm_has_error()
               ? mm_error_frame("while writing records to '%s'", records->path)
               : MM_OK;
}

void mmi_record_file_close(mmi_record_file *records)
{
    mm_error before;
    bool had_error = mm_error_take(&before) != MM_OK;

    if (records->path != NULL && mmi_file_is_open(&records->file)) {
        (void)mmi_file_sync(&records->file);
        (void)mmi_file_close(&records->file);
    }
    (void)mm_error_take(NULL); /* each line was written when it came */
    mm_free(records->path);
    records->path = NULL;
    if (had_error)
        (void)mm_error_restore(&before);
}

static mm_value *ready_list(mm_value *value)
{
    mm_value *list = mm_value_new_list();

    for (size_t i = 0; i < mm_value_len(value) && !mm_has_error(); i++)
        mm_list_push(list, mmi_json_ready(mm_list_get(value, i)));
    return list;
}

static mm_value *ready_dict(mm_value *value)
{
    mm_value *dict = mm_value_new_dict();

    for (size_t i = 0; i < mm_value_len(value) && !mm_has_error(); i++) {
        mm_value *item = mmi_json_ready(mm_dict_at(value, i));

        mm_dict_put_key(dict, mm_dict_key_at(value, i), item);
        mm_value_unref(item);
    }
    return dict;
}

mm_value *mmi_json_ready(mm_value *value)
{
    mm_tensor *tensor = mm_value_find_tensor(value);

    switch (mm_value_kind(value)) {
    case MM_KIND_BYTES:
    case MM_KIND_SET:
        return mm_value_new_none();
    case MM_KIND_LIST:
    case MM_KIND_TUPLE:
        return ready_list(value);
    case MM_KIND_DICT:
        return ready_dict(value);
    case MM_KIND_OBJECT:
        return tensor != NULL ? mm_tensor_to_list(tensor) : mm_value_new_none();
    default:
        return mm_value_ref(value);
    }
}
