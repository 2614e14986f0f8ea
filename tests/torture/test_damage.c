/* Damaged checkpoints and disks that fail. A damaged file is named and the one before
 * it is used; a save that fails is an error line, training goes on and older files
 * stay. */
#define _XOPEN_SOURCE 700

#include "scenario.h"

/* ---- damaged files ---- */

/* "killed": a run that ended while epoch 7 was to be saved; 5 and 6 are there. */
static void make_killed(void)
{
    struct tt_run run = {.name = "train", .config = "epoch.py", .resume = ""};

    run.fault = "create epoch_7.pth 1 before";
    train(&run, NULL, 137);
    move("train", "killed");
}

static void copy_killed(void)
{
    char command[2048];

    clear("train");
    (void)snprintf(command, sizeof(command), "cp -a '%s/killed' '%s/train'",
                   tt_places.folder, tt_places.folder);
    assert_int_equal(system(command), 0);
}

static void rewrite(const char *path, void (*change)(char *data, size_t *size))
{
    size_t size = 0;
    char *data = mm_file_read(path, &size);

    assert_non_null(data);
    change(data, &size);
    assert_int_equal(mm_file_write(path, data, size), MM_OK);
    mm_free(data);
}

static void cut(char *data, size_t *size)
{
    (void)data;
    *size /= 2;
}

static void cut_one(char *data, size_t *size)
{
    (void)data;
    *size -= 1;
}

static void empty(char *data, size_t *size)
{
    (void)data;
    *size = 0;
}

static void flip(char *data, size_t *size)
{
    for (size_t i = 0; i < 64; i++)
        data[*size / 2 + i] ^= 1;
}

static void overwrite(char *data, size_t *size)
{
    memset(data, 'x', *size);
}

/* A file of a version of ours that does not exist yet. */
static void make_newer(const char *path)
{
    mm_value *root = mm_pth_read(&(mm_pth_read_args){.path = path});

    assert_non_null(root);
    mm_dict_put_i64(mm_dict_get(root, "mmengine_c"), "version", 1000);
    assert_int_equal(mm_pth_write(&(mm_pth_write_args){.path = path, .root = root}),
                     MM_OK);
    mm_value_unref(root);
}

static void assert_gives_way(void (*change)(char *data, size_t *size))
{
    struct tt_run run = {.name = "train", .config = "epoch.py", .resume = ""};
    char path[1024];

    copy_killed();
    (void)tt_path("train", "epoch_6.pth", path, sizeof(path));
    if (change != NULL)
        rewrite(path, change);
    else
        make_newer(path);
    run.resume = "run/epoch_6.pth";
    train(&run, NULL, 3);
    assert_true(tt_said("train", "epoch_6.pth"));
    run.resume = "";
    train(&run, NULL, 0);
    assert_true(tt_said("train", "epoch_6.pth"));
    assert_true(tt_said("train", "resumed epoch: 5, iter: 50"));
    assert_int_equal(tt_compare_runs("train", "expected"), 0);
}

static void a_damaged_file_gives_way_to_the_one_before(void **state)
{
    struct tt_run run = {.name = "train", .config = "epoch.py"};
    (void)state;

    make_expected(run, "expected");
    make_killed();
    assert_gives_way(cut);
    assert_gives_way(cut_one);
    assert_gives_way(empty);
    assert_gives_way(flip);
    assert_gives_way(overwrite);
    assert_gives_way(NULL);
}

static void without_a_good_file_a_run_begins_again(void **state)
{
    struct tt_run run = {.name = "train", .config = "epoch.py"};
    char path[1024];
    (void)state;

    make_expected(run, "expected");
    make_killed();
    copy_killed();
    rewrite(tt_path("train", "epoch_5.pth", path, sizeof(path)), cut);
    rewrite(tt_path("train", "epoch_6.pth", path, sizeof(path)), empty);
    run.resume = "";
    train(&run, NULL, 0);
    assert_int_equal(tt_compare_runs("train", "expected"), 0);
}

/* Any bit, any length: the file is refused or reads as before. */
static void no_damage_goes_unnoticed(void **state)
{
    struct tt_run run = {.name = "train", .config = "epoch.py"};
    char path[1024], copy[1100];
    size_t size = 0;
    (void)state;

    make_expected(run, "expected");
    char *data =
        mm_file_read(tt_path("expected", "epoch_8.pth", path, sizeof(path)), &size);
    int unnoticed = 0, harmless = 0;

    (void)snprintf(copy, sizeof(copy), "%s.damaged", path);
    for (size_t at = 0; at < size; at += 37) {
        data[at] ^= (char)(1 << at % 8);
        assert_int_equal(mm_file_write(copy, data, size), MM_OK);
        data[at] ^= (char)(1 << at % 8);
        if (mm_pth_verify(copy) < 0)
            (void)mm_error_take(NULL);
        else if (tt_compare_checkpoints(copy, path) == 0)
            harmless++; /* between two tensors */
        else
            unnoticed++;
    }
    for (size_t length = 0; length < size; length += 173) {
        assert_int_equal(mm_file_write(copy, data, length), MM_OK);
        unnoticed += mm_pth_verify(copy) == MM_OK;
        (void)mm_error_take(NULL);
    }
    assert_int_equal(unnoticed, 0);
    assert_true(harmless < (int)(size / 37) / 3);
    mm_free(data);
}

/* ---- disks that fail ---- */

/* Training goes on to its end as if nothing had happened; what is left is good. */
static void assert_goes_on(const char *fault, int64_t max_file, int code)
{
    struct tt_run run = {.name = "train", .config = "epoch.py", .resume = ""};

    print_message("           %s\n", fault != NULL ? fault : "small files alone");
    run.fault = fault;
    run.max_file = max_file;
    train(&run, NULL, code);
    assert_true(tt_said("train", "ERROR") || tt_said("train", "WARN"));
    if (max_file == 0) /* else the log itself may be too large */
        assert_int_equal(tt_compare_logs("train", "expected"), 0);
    assert_int_equal(tt_check_folder("train", 8), 0);
    mm_value *temporary = tt_files("train", "", ".tmp");

    assert_int_equal(mm_value_len(temporary), 0);
    mm_value_unref(temporary);
    run.fault = NULL;
    run.max_file = 0;
    train(&run, NULL, 0);
    assert_int_equal(tt_compare_logs("train", "expected"), 0);
    clear("train");
}

static void a_failing_disk_does_not_end_training(void **state)
{
    /* those that last say at the end that the last checkpoint is not there: code 1 */
    static const struct {
        const char *fault;
        int code;
    } faults[] = {
        {"write epoch_3.pth 1 enospc", 0},   {"create epoch_3.pth 1 erofs", 0},
        {"sync epoch_3.pth 1 eio", 0},       {"rename epoch_3.pth 1 eio", 0},
        {"write .pth 5 enospc", 1},          {"create .pth 4 erofs", 1},
        {"rename last_checkpoint 3 eio", 1}, {"write last_checkpoint 2 enospc", 1},
        {"remove .pth 1 erofs", 0},
    };
    struct tt_run run = {.name = "train", .config = "epoch.py"};
    (void)state;

    make_expected(run, "expected");
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        assert_goes_on(faults[i].fault, 0, faults[i].code);
    assert_goes_on(NULL, 12000, 1);
}

/* A disk that is full for logs, too. */
static void a_full_disk_does_not_end_training(void **state)
{
    struct tt_run run = {.name = "train", .config = "epoch.py", .resume = ""};
    char a[1024], b[1024];
    (void)state;

    make_expected(run, "expected");
    run.fault = "write /run/ 60 enospc";
    train(&run, NULL, 1);
    assert_int_equal(tt_check_folder("train", 8), 0);
    run.fault = NULL;
    train(&run, NULL, 0);
    assert_int_equal(
        tt_compare_states(tt_path("train", "epoch_8.pth", a, sizeof(a)),
                          tt_path("expected", "epoch_8.pth", b, sizeof(b))),
        0);
}

/* ---- the order of operations, for machines that lose power ---- */

/* Lines of the trace: "op path". */
struct trace {
    char *text;
    char *lines[4096];
    size_t count;
};

static void read_trace(struct trace *trace, const char *path)
{
    size_t size = 0;

    *trace = (struct trace){.text = mm_file_read(path, &size)};
    assert_non_null(trace->text);
    for (char *line = trace->text; *line != '\0' && trace->count < 4096;) {
        char *end = strchr(line, '\n');

        assert_non_null(end);
        *end = '\0';
        trace->lines[trace->count++] = line;
        line = end + 1;
    }
}

/* The index of the last line before `end` that begins so; -1: none. */
static long last_before(const struct trace *trace, size_t end, const char *op,
                        const char *path)
{
    char begin[1200];

    (void)snprintf(begin, sizeof(begin), "%s %s", op, path);
    for (size_t i = end; i-- > 0;) {
        if (strncmp(trace->lines[i], begin, strlen(begin)) == 0)
            return (long)i;
    }
    return -1;
}

static bool is_saved_file(const char *line)
{
    const char *end = line + strlen(line);

    return strncmp(line, "rename ", 7) == 0 &&
           (strcmp(end - 4, ".pth") == 0 || strstr(line, "/last_checkpoint") != NULL);
}

static void files_are_on_disk_before_they_have_their_names(void **state)
{
    struct tt_run run = {.name = "train", .config = "epoch.py", .resume = ""};
    char path[600];
    struct trace trace;
    int renames = 0;
    (void)state;

    (void)snprintf(path, sizeof(path), "%s/trace.txt", tt_places.folder);
    run.trace = path;
    train(&run, NULL, 0);
    read_trace(&trace, path);
    for (size_t i = 0; i < trace.count; i++) {
        if (!is_saved_file(trace.lines[i]))
            continue;
        const char *file = trace.lines[i] + 7;
        long created = last_before(&trace, i, "create", file);
        long written = last_before(&trace, i, "write", file);
        long synced = last_before(&trace, i, "sync", file);
        bool good = created >= 0 && created < written && written < synced;

        renames++;
        if (!good)
            fail_msg("%s: created %ld, written %ld, synced %ld, renamed %zu", file,
                     created, written, synced, i);
        /* the name is on disk before anything older goes */
        for (size_t next = i + 1; next < trace.count; next++) {
            if (strncmp(trace.lines[next], "sync ", 5) == 0 &&
                strcmp(mm_path_basename(trace.lines[next]), "run") == 0)
                break;
            if (strncmp(trace.lines[next], "remove ", 7) == 0 &&
                strstr(trace.lines[next], ".pth") != NULL)
                fail_msg("%s before the folder was synced", trace.lines[next]);
        }
    }
    assert_true(renames >= 16);
    mm_free(trace.text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_damaged_file_gives_way_to_the_one_before),
        TEST(without_a_good_file_a_run_begins_again),
        TEST(no_damage_goes_unnoticed),
        TEST(a_failing_disk_does_not_end_training),
        TEST(a_full_disk_does_not_end_training),
        TEST(files_are_on_disk_before_they_have_their_names),
    };

    return run_scenarios(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
