/* records.jsonl of whole runs: what each record says of its place, over a stop, a
 * resume and a full disk. */
#include "runner_parts.h"

#include <time.h>
#include <unistd.h>

#include "mmengine/fileio.h"
#include "mmengine/log.h"

static int set_up(void **state)
{
    (void)state;
    parts_record = (stage_record){.stop_at = -1, .nan_at = -1};
    return parts_register();
}

#define LOGGER                                                                         \
    "custom_hooks = [dict(type='RecordHook')]\n"                                       \
    "default_hooks = dict(logger=dict(type='LoggerHook', interval=2))\n"

/* The i-th folder of a run in `dir`; mm_free(). NULL: there are fewer. */
static char *run_folder(const char *dir, size_t index)
{
    mm_value *names = mm_list_dir(dir);
    char *found = NULL;

    for (size_t i = 0; i < mm_value_len(names) && found == NULL; i++) {
        char *path = mm_path_join(dir, mm_value_str(mm_list_get(names, i)));

        if (mm_file_is_dir(path) && index-- == 0)
            found = path;
        else
            mm_free(path);
    }
    mm_value_unref(names);
    return found;
}

static mm_value *read_lines(const char *dir, size_t index, const char *name)
{
    char *folder = run_folder(dir, index);
    char *path = mm_strfmt("%s/vis_data/%s", folder, name);
    size_t size = 0;
    char *text = mm_file_read(path, &size);
    mm_value *lines = mm_json_parse_lines(text, size, path);

    check_ok();
    assert_int_equal(text[size - 1], '\n');
    mm_free(text);
    mm_free(path);
    mm_free(folder);
    return lines;
}

static void check_record(const mm_value *record, const char *mode, int64_t epoch,
                         int64_t iter, int64_t samples)
{
    assert_string_equal(mm_value_str(mm_dict_get(record, "mode")), mode);
    assert_int_equal(mm_value_i64(mm_dict_get(record, "epoch")), epoch);
    assert_int_equal(mm_value_i64(mm_dict_get(record, "iter")), iter);
    assert_int_equal(mm_value_i64(mm_dict_get(record, "samples")), samples);
    assert_true(mm_value_f64(mm_dict_get(record, "seconds")) >= 0.0);
    const char *time = mm_value_str(mm_dict_get(record, "wall_time"));
    static const char form[] = "0000-00-00T00:00:00.000+00:00";
    assert_int_equal(strlen(time), strlen(form));
    for (size_t i = 0; form[i] != '\0'; i++) {
        bool is_digit = time[i] >= '0' && time[i] <= '9';

        assert_true(form[i] == '0'   ? is_digit
                    : form[i] == '+' ? time[i] == '+' || time[i] == '-'
                                     : time[i] == form[i]);
    }
}

/* The records that are no starts hold what scalars.json holds, but for its step. */
static void check_same_scalars(const mm_value *records, const mm_value *scalars)
{
    size_t n = 0;

    for (size_t i = 0; i < mm_value_len(records); i++) {
        const mm_value *record = mm_list_get(records, i);
        if (strcmp(mm_value_str(mm_dict_get(record, "mode")), "start") == 0)
            continue;
        mm_value *line = mm_value_copy(mm_list_get(scalars, n++));
        assert_true(mm_dict_remove(line, "step"));
        char *ours = mm_json_format(mm_dict_get(record, "scalars"), NULL);
        char *theirs = mm_json_format(line, NULL);
        assert_string_equal(ours, theirs);
        mm_free(ours);
        mm_free(theirs);
        mm_value_unref(line);
    }
    assert_int_equal(n, mm_value_len(scalars));
}

/* 24 samples in batches of 5: the last of an epoch has 4. */
#define EPOCHS                                                                         \
    LOGGER "train_cfg = dict(by_epoch=True, max_epochs=2)\n"                           \
           "train_dataloader['batch_size'] = 5\n"

static void records_say_where_they_stand(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    mm_value_unref(parts_train(dir, EPOCHS));
    check_ok();
    mm_value *records = read_lines(dir, 0, "records.jsonl");
    mm_value *scalars = read_lines(dir, 0, "scalars.json");
    assert_int_equal(mm_value_len(records), 7);
    check_record(mm_list_get(records, 0), "start", 0, 0, 0);
    check_record(mm_list_get(records, 1), "train", 1, 2, 10);
    check_record(mm_list_get(records, 2), "train", 1, 4, 20);
    check_record(mm_list_get(records, 3), "val", 1, 5, 24);
    check_record(mm_list_get(records, 4), "train", 2, 7, 34);
    check_record(mm_list_get(records, 5), "train", 2, 9, 44);
    check_record(mm_list_get(records, 6), "val", 2, 10, 48);
    check_same_scalars(records, scalars);
    mm_value_unref(scalars);
    mm_value_unref(records);
    parts_remove_dir(dir);
}

/* Stopped after its seventh iteration; the second run goes on from there, in a folder
 * named by another second. */
static void a_resumed_run_counts_on(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    parts_record.stop_at = 6;
    mm_value_unref(parts_train(dir, EPOCHS));
    check_ok();
    parts_record.stop_at = -1;
    (void)nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 100000000}, NULL);
    mm_value_unref(parts_train(dir, EPOCHS "resume = True\n"));
    check_ok();
    mm_value *records = read_lines(dir, 1, "records.jsonl");
    assert_int_equal(mm_value_len(records), 3);
    check_record(mm_list_get(records, 0), "start", 1, 7, 34);
    check_record(mm_list_get(records, 1), "train", 2, 9, 44);
    check_record(mm_list_get(records, 2), "val", 2, 10, 48);
    mm_value_unref(records);
    parts_remove_dir(dir);
}

static void iteration_mode_counts_passes(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    mm_value_unref(parts_train(
        dir, LOGGER "train_cfg = dict(by_epoch=False, max_iters=6, val_interval=3)\n"
                    "train_dataloader = dict(batch_size=12, sampler=dict("
                    "type='InfiniteSampler', shuffle=True), "
                    "collate_fn=dict(type='default_collate'), "
                    "dataset=dict(type='ToyPoints'))\n"
                    "log_processor = dict(by_epoch=False)\n"
                    "param_scheduler = None\n"));
    check_ok();
    mm_value *records = read_lines(dir, 0, "records.jsonl");
    check_record(mm_list_get(records, 0), "start", 0, 0, 0);
    check_record(mm_list_get(records, 1), "train", 1, 2, 24);
    check_record(mm_list_get(records, 2), "val", 1, 3, 36);
    check_record(mm_list_get(records, 3), "train", 2, 4, 48);
    check_record(mm_list_get(records, 4), "train", 3, 6, 72);
    mm_value_unref(records);
    parts_remove_dir(dir);
}

static int num_warnings;

static void count_warnings(void *user, const mm_log_line *line)
{
    (void)user;
    num_warnings += strstr(line->message, " could not be kept") != NULL;
}

/* Files that cannot be written do not end a training; each is spoken of once. */
static void training_outlives_its_records(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    if (!mm_file_exists("/dev/full")) {
        parts_remove_dir(dir);
        skip();
    }
    num_warnings = 0;
    mm_log_set_sink(count_warnings, NULL);
    mm_config *config = parts_config(dir, EPOCHS);
    mm_runner *runner = mm_runner_new(config);
    check_ok();
    char *folder = mm_path_join(mm_runner_log_dir(runner), "vis_data");
    char *scalars = mm_path_join(folder, "scalars.json");
    char *records = mm_path_join(folder, "records.jsonl");
    assert_int_equal(mm_make_dirs(folder), MM_OK);
    assert_int_equal(symlink("/dev/full", scalars), 0);
    assert_int_equal(symlink("/dev/full", records), 0);
    assert_int_equal(mm_runner_train(runner), MM_OK);
    check_ok();
    assert_int_equal(num_warnings, 2);
    assert_int_equal(mm_runner_iter(runner), 10);
    mm_free(records);
    mm_free(scalars);
    mm_free(folder);
    mm_runner_free(runner);
    mm_config_unref(config);
    mm_log_set_sink(NULL, NULL);
    parts_remove_dir(dir);
}

/* file_handler_cfg of a config reaches the log file. */
static void a_config_says_how_the_log_is_kept(void **state)
{
    char *dir = parts_new_dir();
    (void)state;

    mm_value_unref(parts_train(dir, EPOCHS
                               "file_handler_cfg = dict(type='RotatingFileHandler', "
                               "maxBytes=3000, backupCount=2)\n"));
    check_ok();
    char *folder = run_folder(dir, 0);
    mm_value *names = mm_list_dir(folder);
    int logs = 0;
    for (size_t i = 0; i < mm_value_len(names); i++)
        logs += strstr(mm_value_str(mm_list_get(names, i)), ".log") != NULL;
    assert_int_equal(logs, 3);
    mm_value_unref(names);
    mm_free(folder);
    mm_config *config = parts_config(
        dir, "file_handler_cfg = dict(type='RotatingFileHandler', maxByte=3)\n");
    assert_null(mm_runner_new(config));
    mm_error error;
    assert_int_equal(mm_error_take(&error), MM_ECONFIG);
    assert_non_null(
        strstr(error.message, "RotatingFileHandler has no option 'maxByte'"));
    assert_string_equal(error.hint, "did you mean 'maxBytes'?");
    mm_config_unref(config);
    parts_remove_dir(dir);
}

int test_records(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(records_say_where_they_stand, set_up),
        cmocka_unit_test_setup(a_resumed_run_counts_on, set_up),
        cmocka_unit_test_setup(iteration_mode_counts_passes, set_up),
        cmocka_unit_test_setup(training_outlives_its_records, set_up),
        cmocka_unit_test_setup(a_config_says_how_the_log_is_kept, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
