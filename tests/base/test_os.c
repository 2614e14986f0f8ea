/* Files, paths, locks, threads, programs and the machine. */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/os.h"
#include "base/thread.h"
#include "mmengine/file.h"

static const char *program; /* ours */
static char *folder;        /* of the test that runs */

static int make_folder(void **state)
{
    (void)state;
    folder = mmi_os_temp_dir("mmengine-test");
    return folder == NULL;
}

static int remove_folder(void **state)
{
    assert_int_equal(mmi_os_remove_tree(folder), MM_OK);
    assert_false(mm_file_exists(folder));
    mm_free(folder);
    return check_clean(state);
}

static char *in_folder(const char *name)
{
    char *path = mm_path_join(folder, name);
    assert_non_null(path);
    return path;
}

static void check_content(const char *path, const char *expected)
{
    size_t size = 0;
    char *content = mm_file_read(path, &size);
    assert_non_null(content);
    assert_int_equal(size, strlen(expected));
    assert_string_equal(content, expected);
    mm_free(content);
}

static void check_cache(const char *expected)
{
    char *path = mmi_os_cache_dir("parts");

    if (expected == NULL) {
        assert_null(path);
    } else {
        char *wanted = in_folder(expected);

        assert_string_equal(path, wanted);
        assert_true(mm_file_is_dir(path));
        mm_free(wanted);
    }
    mm_free(path);
}

static void cache_folders(void **state)
{
    const char *home = getenv("HOME");
    char *saved = home != NULL ? mm_strdup(home) : NULL;
    char *xdg = in_folder("xdg");
    char *own = in_folder("own");
    (void)state;

    assert_int_equal(setenv("HOME", folder, 1), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", "relative", 1), 0);
    assert_int_equal(unsetenv("MMENGINE_CACHE_DIR"), 0);
    check_cache(".cache/mmengine/parts");
    assert_int_equal(setenv("XDG_CACHE_HOME", xdg, 1), 0);
    check_cache("xdg/mmengine/parts");
    assert_int_equal(setenv("MMENGINE_CACHE_DIR", own, 1), 0);
    check_cache("own/parts");
    assert_int_equal(unsetenv("MMENGINE_CACHE_DIR"), 0);
    assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
    assert_int_equal(unsetenv("HOME"), 0);
    check_cache(NULL);
    assert_false(mm_has_error());
    if (saved != NULL) {
        assert_int_equal(setenv("HOME", saved, 1), 0);
    }
    mm_free(saved);
    mm_free(own);
    mm_free(xdg);
}

static void whole_files(void **state)
{
    (void)state;
    char *path = in_folder("a.txt");
    assert_int_equal(mm_file_write(path, "hello", 5), MM_OK);
    check_content(path, "hello");
    assert_int_equal(mm_file_size(path), 5);
    assert_int_equal(mm_file_write(path, "x", 1), MM_OK);
    check_content(path, "x");
    assert_int_equal(mm_file_write(path, "", 0), MM_OK);
    check_content(path, "");
    mm_value *names = mm_list_dir(folder);
    assert_int_equal(mm_value_len(names), 1); /* no temporary file is left */
    mm_value_unref(names);
    assert_int_equal(mm_file_remove(path), MM_OK);
    assert_null(mm_file_read(path, NULL));
    mm_error error;
    assert_int_equal(mm_error_take(&error), MM_ENOENT);
    char *expected = mm_strfmt("could not open '%s': no such file or directory", path);
    assert_string_equal(error.message, expected);
    mm_free(expected);
    assert_null(mm_file_read(folder, NULL));
    check_error(MM_EIO);
    mm_free(path);
    char *content = mm_file_read("/proc/self/status", NULL); /* has no size */
    if (content != NULL) {
        assert_non_null(strstr(content, "Pid:"));
    }
    mm_error_take(NULL);
    mm_free(content);
}

static void large_files(void **state)
{
    (void)state;
    enum { SIZE = 3000017 };
    char *path = in_folder("large");
    char *data = mm_alloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = (char)(i * 31 >> 3);
    }
    assert_int_equal(mm_file_write(path, data, SIZE), MM_OK);
    size_t size = 0;
    char *read = mm_file_read(path, &size);
    assert_int_equal(size, SIZE);
    assert_memory_equal(read, data, SIZE);
    mmi_mapping mapping;
    assert_int_equal(mmi_map_file(path, &mapping), MM_OK);
    assert_int_equal(mapping.size, SIZE);
    assert_memory_equal(mapping.data, data, SIZE);
    mmi_unmap_file(&mapping);
    mmi_unmap_file(&mapping);
    mm_free(read);
    mm_free(data);
    mm_free(path);

    path = in_folder("empty");
    assert_int_equal(mm_file_write(path, NULL, 0), MM_OK);
    assert_int_equal(mmi_map_file(path, &mapping), MM_OK);
    assert_null(mapping.data);
    mmi_unmap_file(&mapping);
    assert_int_equal(mmi_map_file(folder, &mapping), MM_EIO);
    check_error(MM_EIO);
    mm_free(path);
}

static void open_files(void **state)
{
    (void)state;
    char *path = in_folder("f");
    char text[16];
    size_t got = 0;
    mmi_file file;
    assert_int_equal(mmi_file_open(&file, path, MMI_OPEN_NEW), MM_OK);
    assert_true(mmi_file_is_open(&file));
    assert_int_equal(mmi_file_write_all(&file, "0123456789", 10), MM_OK);
    assert_int_equal(mmi_file_write_at(&file, 2, "ab", 2), MM_OK);
    assert_int_equal(mmi_file_read_at(&file, 1, text, 5, &got), MM_OK);
    assert_int_equal(got, 5);
    assert_memory_equal(text, "1ab45", 5);
    assert_int_equal(mmi_file_read_at(&file, 8, text, 5, &got), MM_OK);
    assert_int_equal(got, 2);
    assert_int_equal(mmi_file_truncate(&file, 3), MM_OK);
    assert_int_equal(mmi_file_length(&file), 3);
    assert_int_equal(mmi_file_sync(&file), MM_OK);
    assert_int_equal(mmi_file_close(&file), MM_OK);
    assert_int_equal(mmi_file_close(&file), MM_OK);
    mmi_file second;
    assert_int_equal(mmi_file_open(&second, path, MMI_OPEN_NEW), MM_EBUSY);
    check_error(MM_EBUSY);
    assert_false(mmi_file_is_open(&second));
    assert_int_equal(mmi_file_open(&file, path, MMI_OPEN_APPEND), MM_OK);
    assert_int_equal(mmi_file_try_write(&file, "zz", 2), 0);
    mm_raise(MM_ESTATE, "pending");
    assert_int_equal(mmi_file_try_write(&file, "y", 1), 0);
    assert_int_equal(mmi_file_write_all(&file, "no", 2), MM_ESTATE);
    check_error(MM_ESTATE);
    assert_int_equal(mmi_file_close(&file), MM_OK);
    check_content(path, "01azzy");
    mm_free(path);
}

/* `lines` whole lines and `torn` bytes of another; a new line goes behind the former.
 */
static void check_torn(int lines, int torn)
{
    char *path = in_folder("f.jsonl");
    mmi_file file;
    assert_int_equal(mmi_file_open(&file, path, MMI_OPEN_WRITE), MM_OK);
    for (int i = 0; i < lines; i++) {
        assert_int_equal(mmi_file_write_all(&file, "0123456789abcde\n", 16), MM_OK);
    }
    for (int i = 0; i < torn; i++) {
        assert_int_equal(mmi_file_write_all(&file, "x", 1), MM_OK);
    }
    assert_int_equal(mmi_file_close(&file), MM_OK);
    assert_int_equal(mmi_file_open_lines(&file, path), MM_OK);
    assert_int_equal(mmi_file_length(&file), 16 * lines);
    assert_int_equal(mmi_file_append(&file, "new\n", 4), MM_OK);
    assert_int_equal(mmi_file_close(&file), MM_OK);
    assert_int_equal(mm_file_size(path), 16 * lines + 4);
    assert_int_equal(mm_file_remove(path), MM_OK);
    mm_free(path);
}

static void files_of_lines(void **state)
{
    (void)state;
    char *path = in_folder("new.jsonl");
    mmi_file file;
    assert_int_equal(mmi_file_open_lines(&file, path), MM_OK);
    assert_int_equal(mmi_file_close(&file), MM_OK);
    check_content(path, "");
    assert_int_equal(mm_file_remove(path), MM_OK);
    mm_free(path);
    for (int lines = 0; lines <= 768; lines += 256) {
        check_torn(lines, 0);
        check_torn(lines, 1);
        check_torn(lines, 4095);
        check_torn(lines, 4096);
        check_torn(lines, 9000);
    }
    path = in_folder("none/f.jsonl");
    assert_int_equal(mmi_file_open_lines(&file, path), MM_ENOENT);
    check_error(MM_ENOENT);
    mm_free(path);
}

static void atomic_files(void **state)
{
    (void)state;
    char *path = in_folder("ckpt.pth");
    char *link = in_folder("link");
    mmi_atomic_file file;
    assert_int_equal(mm_file_write(path, "old", 3), MM_OK);

    assert_int_equal(mmi_atomic_begin(&file, path), MM_OK);
    assert_int_equal(mmi_file_write_all(&file.file, "new", 3), MM_OK);
    check_content(path, "old");
    size_t name_size = 0;
    const char *temp_name = mm_path_basename(file.temp_path);
    assert_true(mmi_atomic_is_temp(temp_name, &name_size));
    assert_int_equal(name_size, strlen("ckpt.pth"));
    mmi_atomic_abort(&file);
    check_content(path, "old");
    mm_value *names = mm_list_dir(folder);
    assert_int_equal(mm_value_len(names), 1);
    mm_value_unref(names);

    /* a write through a link changes what it points to */
    assert_int_equal(mmi_os_link("ckpt.pth", link), MM_OK);
    assert_int_equal(mm_file_write(link, "newer", 5), MM_OK);
    check_content(path, "newer");

    mm_free(path);
    path = in_folder("no/such/folder/f");
    assert_int_equal(mmi_atomic_begin(&file, path), MM_ENOENT);
    check_error(MM_ENOENT);
    mmi_atomic_abort(&file);
    mm_free(link);
    mm_free(path);
}

static void temporary_names(void **state)
{
    (void)state;
    static const char *const no[] = {
        "a.tmp",        "ckpt.pth",      "x-1-2.tmp",  ".host-1-2.tmp",
        "a.host-1.tmp", "a.host--2.tmp", "a.-1-2.tmp", ""};
    size_t size = 0;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        assert_false(mmi_atomic_is_temp(no[i], &size));
    }
    assert_true(mmi_atomic_is_temp("epoch_1.pth.my-host-12-0.tmp", &size));
    assert_int_equal(size, strlen("epoch_1.pth"));
}

#ifdef MM_FAULTS
/* Whatever fails while a file is written, the former content stays whole. */
static void a_failed_write_harms_nothing(void **state)
{
    (void)state;
    char *path = in_folder("f");
    int failures = 0;
    assert_int_equal(mm_file_write(path, "old", 3), MM_OK);
    for (int64_t n = 1; n < 100; n++) {
        mmi_fail_at(n);
        bool failed = mm_file_write(path, "new", 3) != MM_OK;
        bool was_reached = mmi_fault_points() >= n;
        mmi_fail_at(0);
        assert_int_equal(failed, was_reached);
        mm_error_take(NULL);
        char *content = mm_file_read(path, NULL);
        mm_value *names = mm_list_dir(folder);
        assert_int_equal(mm_value_len(names), 1);
        mm_value_unref(names);
        assert_true(strcmp(content, "old") == 0 || strcmp(content, "new") == 0);
        if (!failed) {
            assert_string_equal(content, "new");
        }
        mm_free(content);
        if (!failed) {
            break;
        }
        failures++;
        assert_int_equal(mm_file_write(path, "old", 3), MM_OK);
    }
    assert_true(failures > 5 && failures < 99);
    mm_free(path);
}
#endif

static void folders(void **state)
{
    (void)state;
    char *deep = in_folder("a/b//c/");
    char *file = in_folder("a/file");
    char *below_file = in_folder("a/file/x");
    assert_int_equal(mm_make_dirs(deep), MM_OK);
    assert_int_equal(mm_make_dirs(deep), MM_OK);
    assert_int_equal(mm_make_dirs(""), MM_OK);
    assert_true(mm_file_is_dir(deep));
    assert_int_equal(mm_file_write(file, "x", 1), MM_OK);
    assert_false(mm_file_is_dir(file));
    assert_true(mm_file_exists(file));
    assert_true(mm_make_dirs(file) != MM_OK);
    check_error(MM_ENOENT);
    assert_true(mm_make_dirs(below_file) != MM_OK);
    mm_error_take(NULL);
    mm_free(deep);
    deep = in_folder("a");
    mm_value *names = mm_list_dir(deep);
    char *text = mm_value_repr(names);
    assert_string_equal(text, "['b', 'file']");
    mm_free(text);
    mm_value_unref(names);
    assert_null(mm_list_dir(file));
    check_error(MM_ENOENT);
    assert_int_equal(mm_file_remove(deep), MM_EIO); /* not empty */
    check_error(MM_EIO);
    mmi_stat info;
    assert_int_equal(mmi_os_stat(file, &info), MM_OK);
    assert_true(info.is_file && !info.is_dir && info.size == 1);
    assert_true(info.mtime_ns > 1600000000LL * 1000000000LL);
    assert_false(mmi_os_find_stat(below_file, &info));
    check_ok();

    char *real = mmi_os_realpath(deep);
    assert_true(mm_path_is_absolute(real));
    mm_free(real);
    assert_null(mmi_os_realpath(below_file));
    check_error(MM_ENOENT);
    char *cwd = mmi_os_cwd();
    assert_true(mm_file_is_dir(cwd));
    mm_free(cwd);
    assert_true(mmi_os_free_bytes(folder) > 0);
    assert_int_equal(mmi_os_remove_tree(deep), MM_OK);
    assert_int_equal(mmi_os_remove_tree(deep), MM_OK);
    mm_free(deep);
    mm_free(file);
    mm_free(below_file);
}

/* A link inside a tree is removed; what it points to stays. */
static void removal_does_not_follow_links(void **state)
{
    (void)state;
    char *outside = in_folder("outside");
    char *tree = in_folder("tree");
    char *link = in_folder("tree/link");
    assert_int_equal(mm_make_dirs(outside), MM_OK);
    assert_int_equal(mm_make_dirs(tree), MM_OK);
    assert_int_equal(mmi_os_link(outside, link), MM_OK);
    assert_int_equal(mmi_os_remove_tree(tree), MM_OK);
    assert_true(mm_file_is_dir(outside));
    mm_free(outside);
    mm_free(tree);
    mm_free(link);
}

static void check_path(char *got, const char *expected)
{
    assert_string_equal(got, expected);
    mm_free(got);
}

static void paths(void **state)
{
    (void)state;
    check_path(mm_path_join("a", "b"), "a/b");
    check_path(mm_path_join("a/", "b"), "a/b");
    check_path(mm_path_join("", "b"), "b");
    check_path(mm_path_join("a", "/b"), "/b");
    check_path(mm_path_join("a", ""), "a/");
    check_path(mm_path_dirname("a/b/c"), "a/b");
    check_path(mm_path_dirname("a/b/"), "a/b");
    check_path(mm_path_dirname("a"), "");
    check_path(mm_path_dirname("/a"), "/");
    check_path(mm_path_dirname("//a"), "//");
    check_path(mm_path_dirname("a//b"), "a");
    assert_string_equal(mm_path_basename("a/b.py"), "b.py");
    assert_string_equal(mm_path_basename("a/"), "");
    assert_string_equal(mm_path_extension("a.b/c"), "");
    assert_string_equal(mm_path_extension("a/c.tar.gz"), ".gz");
    assert_string_equal(mm_path_extension(".bashrc"), "");
    assert_string_equal(mm_path_extension("..a.py"), ".py");
    /* os.path.normpath() of Python 3.11 */
    static const char *const normal[][2] = {{"", "."},
                                            {".", "."},
                                            {"a/./b", "a/b"},
                                            {"a//b/", "a/b"},
                                            {"a/../b", "b"},
                                            {"a/..", "."},
                                            {"../a", "../a"},
                                            {"a/../../b", "../b"},
                                            {"/..", "/"},
                                            {"/../a", "/a"},
                                            {"//a", "//a"},
                                            {"///a", "/a"},
                                            {"/", "/"},
                                            {"../../x", "../../x"},
                                            {"/a/b/../../c", "/c"},
                                            {"a/b/../../..", ".."},
                                            {"./../a/.", "../a"},
                                            {"...", "..."}};
    for (size_t i = 0; i < sizeof normal / sizeof *normal; i++) {
        check_path(mm_path_normalize(normal[i][0]), normal[i][1]);
    }
}

static int run_self(const char *mode, const char *path, mmi_spawn_result *out)
{
    const char *const argv[] = {program, mode, path, NULL};
    return (int)mmi_spawn(&(mmi_spawn_args){.argv = argv}, out);
}

static void locks(void **state)
{
    (void)state;
    char *path = in_folder("lock");
    mmi_file_lock lock;
    mmi_file_lock second;
    mmi_lock_owner owner;
    mmi_spawn_result result;
    assert_false(mmi_file_lock_find_owner(path, &owner));
    assert_int_equal(mmi_file_lock_take(&lock, path), MM_OK);
    assert_int_equal(mmi_file_lock_take(&second, path), MM_EBUSY);
    mm_error error;
    mm_error_take(&error);
    char *pid = mm_strfmt("process %lld on ", (long long)mmi_os_pid());
    assert_non_null(strstr(error.message, pid));
    mm_free(pid);
    mmi_file_lock_release(&second); /* harmless */
    assert_true(mmi_file_lock_find_owner(path, &owner));
    assert_int_equal(owner.pid, mmi_os_pid());
    char host[256];
    mmi_os_host_name(host, sizeof host);
    assert_string_equal(owner.host, host);

    assert_int_equal(run_self("take-lock", path, &result), MM_OK);
    assert_int_equal(result.exit_code, 3); /* refused */
    mmi_spawn_result_deinit(&result);
    mmi_file_lock_release(&lock);
    assert_false(mmi_file_lock_find_owner(path, &owner));

    /* a process that is killed while it holds the lock */
    assert_int_equal(run_self("die-with-lock", path, &result), MM_OK);
    assert_int_equal(result.exit_code, 128 + SIGKILL);
    mmi_spawn_result_deinit(&result);
    assert_false(mmi_file_lock_find_owner(path, &owner));
    assert_int_equal(mmi_file_lock_take(&lock, path), MM_OK);
    mmi_file_lock_release(&lock);
    mm_free(path);
}

static void programs(void **state)
{
    (void)state;
    mmi_spawn_result result;
    const char *const echo[] = {"sh", "-c", "echo out; echo err >&2; exit 7", NULL};
    assert_int_equal(
        mmi_spawn(&(mmi_spawn_args){.argv = echo, .joins_stderr = true}, &result),
        MM_OK);
    assert_int_equal(result.exit_code, 7);
    assert_string_equal(result.output, "out\nerr\n");
    assert_int_equal(result.output_size, 8);
    mmi_spawn_result_deinit(&result);

    const char *const pwd[] = {"pwd", NULL};
    char *real = mmi_os_realpath(folder);
    assert_int_equal(mmi_spawn(&(mmi_spawn_args){.argv = pwd, .dir = folder}, &result),
                     MM_OK);
    result.output[result.output_size - 1] = '\0';
    assert_string_equal(result.output, real);
    mm_free(real);
    mmi_spawn_result_deinit(&result);

    const char *const missing[] = {"no-such-program-here", NULL};
    assert_int_equal(mmi_spawn(&(mmi_spawn_args){.argv = missing}, &result), MM_ENOENT);
    check_error(MM_ENOENT);

    const char *const quoted[] = {"printf", "%s|", "a b", "$HOME", "'", NULL};
    assert_int_equal(mmi_spawn(&(mmi_spawn_args){.argv = quoted, .dir = "/"}, &result),
                     MM_OK);
    assert_string_equal(result.output, "a b|$HOME|'|");
    mmi_spawn_result_deinit(&result);

    int64_t begin = mmi_clock_ns();
    const char *const slow[] = {"sh", "-c", "sleep 20 & sleep 20", NULL};
    assert_int_equal(
        mmi_spawn(&(mmi_spawn_args){.argv = slow, .timeout_ms = 100}, &result),
        MM_EINTERRUPTED);
    check_error_text(MM_EINTERRUPTED, "stopped 'sh': it ran longer than 100 ms");
    assert_true(mmi_clock_ns() - begin < 5000000000);

    const char *const large[] = {"sh", "-c", "head -c 1000000 /dev/zero", NULL};
    assert_int_equal(mmi_spawn(&(mmi_spawn_args){.argv = large}, &result), MM_OK);
    assert_int_equal(result.output_size, 1000000);
    mmi_spawn_result_deinit(&result);
}

static void spawn_from_thread(void *out)
{
    mmi_spawn_result result;
    const char *const argv[] = {"sh", "-c", "kill -TERM $$; sleep 5", NULL};
    if (mmi_spawn(&(mmi_spawn_args){.argv = argv}, &result) == MM_OK) {
        *(int *)out = result.exit_code;
    }
    mmi_spawn_result_deinit(&result);
}

/* Our threads block all signals; the programs they start must not. */
static void programs_get_signals(void **state)
{
    (void)state;
    mmi_thread thread;
    int code = 0;
    assert_int_equal(mmi_thread_start(&thread, "spawns", spawn_from_thread, &code),
                     MM_OK);
    mmi_thread_join(&thread);
    assert_int_equal(code, 128 + SIGTERM);
}

static void note_blocked(void *out)
{
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    *(bool *)out =
        sigismember(&blocked, SIGINT) == 1 && sigismember(&blocked, SIGTERM) == 1;
}

static void threads_block_signals(void **state)
{
    (void)state;
    mmi_thread thread;
    bool is_blocked = false;
    bool is_blocked_here = true;
    assert_int_equal(mmi_thread_start(&thread, "blocked", note_blocked, &is_blocked),
                     MM_OK);
    mmi_thread_join(&thread);
    mmi_thread_join(&thread); /* harmless */
    note_blocked(&is_blocked_here);
    assert_true(is_blocked);
    assert_false(is_blocked_here);
}

static int exit_order[3];
static int exits;

static void note_exit(void *user)
{
    exit_order[exits++] = (int)(intptr_t)user;
}

static void add_exits(void *unused)
{
    (void)unused;
    for (intptr_t i = 0; i < 3; i++) {
        mmi_thread_at_exit(note_exit, (void *)i);
    }
}

static void threads_clean_up(void **state)
{
    (void)state;
    mmi_thread thread;
    exits = 0;
    assert_int_equal(mmi_thread_start(&thread, "exits", add_exits, NULL), MM_OK);
    mmi_thread_join(&thread);
    assert_int_equal(exits, 3);
    assert_int_equal(exit_order[0], 2); /* the newest first */
    assert_int_equal(exit_order[2], 0);
}

struct stream {
    mmi_queue *queue;
    int64_t count;
    int64_t sum;
};

static void produce(void *user)
{
    struct stream *stream = user;
    for (int64_t i = 1; i <= stream->count; i++) {
        if (mmi_queue_push(stream->queue, (void *)(intptr_t)i, -1) != MMI_QUEUE_OK) {
            return;
        }
        stream->sum += i;
    }
}

static void consume(void *user)
{
    struct stream *stream = user;
    void *item = NULL;
    while (mmi_queue_pop(stream->queue, -1, &item) == MMI_QUEUE_OK) {
        stream->sum += (intptr_t)item;
    }
}

static void queues(void **state)
{
    (void)state;
    enum { THREADS = 3 };
    mmi_queue *queue = mmi_queue_new(4);
    mmi_thread producers[THREADS];
    mmi_thread consumers[THREADS];
    struct stream in[THREADS];
    struct stream out[THREADS];
    for (int i = 0; i < THREADS; i++) {
        in[i] = (struct stream){queue, 20000, 0};
        out[i] = (struct stream){queue, 0, 0};
        assert_int_equal(mmi_thread_start(&producers[i], "in", produce, &in[i]), MM_OK);
        assert_int_equal(mmi_thread_start(&consumers[i], "out", consume, &out[i]),
                         MM_OK);
    }
    int64_t sum_in = 0;
    int64_t sum_out = 0;
    for (int i = 0; i < THREADS; i++) {
        mmi_thread_join(&producers[i]);
        sum_in += in[i].sum;
    }
    mmi_queue_close(queue); /* what is inside still comes out */
    for (int i = 0; i < THREADS; i++) {
        mmi_thread_join(&consumers[i]);
        sum_out += out[i].sum;
    }
    assert_int_equal(sum_in, (int64_t)THREADS * 20000 * 20001 / 2);
    assert_int_equal(sum_out, sum_in);
    mmi_queue_free(queue);
}

static void queues_wait_and_close(void **state)
{
    (void)state;
    void *item = NULL;
    int thing = 1;
    mmi_queue *queue = mmi_queue_new(1);
    int64_t begin = mmi_clock_ns();
    assert_int_equal(mmi_queue_pop(queue, 20, &item), MMI_QUEUE_TIMEOUT);
    assert_true(mmi_clock_ns() - begin >= 19000000);
    assert_int_equal(mmi_queue_pop(queue, 0, &item), MMI_QUEUE_TIMEOUT);
    assert_int_equal(mmi_queue_push(queue, &thing, 0), MMI_QUEUE_OK);
    assert_int_equal(mmi_queue_push(queue, &thing, 10), MMI_QUEUE_TIMEOUT);
    assert_int_equal(mmi_queue_size(queue), 1);
    mmi_queue_close(queue);
    assert_int_equal(mmi_queue_push(queue, &thing, -1), MMI_QUEUE_CLOSED);
    assert_int_equal(mmi_queue_pop(queue, -1, &item), MMI_QUEUE_OK);
    assert_ptr_equal(item, &thing);
    assert_int_equal(mmi_queue_pop(queue, -1, &item), MMI_QUEUE_CLOSED);
    mmi_queue_free(queue);
    mmi_queue_free(NULL);
    assert_null(mmi_queue_new(0));
    check_error(MM_EINVAL);
}

static void clocks(void **state)
{
    (void)state;
    int64_t begin = mmi_clock_ns();
    mmi_sleep_ms(5);
    int64_t passed = mmi_clock_ns() - begin;
    assert_true(passed >= 5000000 && passed < 5000000000);
    char text[32];
    mmi_os_set_env("TZ", "UTC");
    assert_int_equal(
        mmi_time_text(1700000000LL * 1000000000, "%Y%m%d_%H%M%S", text, sizeof text),
        15);
    assert_string_equal(text, "20231114_221320");
    assert_int_equal(mmi_time_text(0, "%Y%m%d", text, 4), 0);
    assert_true(mmi_wall_ns() > 1700000000LL * 1000000000);
    mmi_os_set_env("TZ", NULL);
}

static void the_machine(void **state)
{
    (void)state;
    char text[256];
    assert_true(mmi_os_num_cores() >= 1);
    assert_true(mmi_os_num_cpus() >= mmi_os_num_cores());
    assert_true(mmi_os_resident_bytes() > 100000);
    assert_true(mmi_os_memory_bytes() > mmi_os_resident_bytes());
    mmi_os_system_text(text, sizeof text);
    assert_true(strlen(text) > 5);
    mmi_os_host_name(text, sizeof text);
    assert_true(strlen(text) > 0);
    mmi_os_user_name(text, sizeof text);
    assert_true(mmi_os_process_is_alive(mmi_os_pid()));
    assert_false(mmi_os_process_is_alive(0));
    assert_true(mmi_os_terminal_width(1) > 0);
    assert_int_equal(mmi_os_set_env("MM_TEST_VARIABLE", "x"), MM_OK);
    assert_string_equal(mmi_os_env("MM_TEST_VARIABLE"), "x");
    assert_int_equal(mmi_os_set_env("MM_TEST_VARIABLE", NULL), MM_OK);
    assert_null(mmi_os_env("MM_TEST_VARIABLE"));
    unsigned char random[2][16] = {{0}, {0}};
    assert_int_equal(mmi_os_random(random[0], 16), MM_OK);
    assert_int_equal(mmi_os_random(random[1], 16), MM_OK);
    assert_memory_not_equal(random[0], random[1], 16);
}

static void large_pages(void **state)
{
    static const size_t sizes[] = {1, 5000, (size_t)2 << 20, ((size_t)5 << 20) + 64};
    (void)state;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        unsigned char *pages = mmi_os_pages_alloc(sizes[i]);

        assert_non_null(pages);
        assert_int_equal((uintptr_t)pages % ((size_t)2 << 20), 0);
        assert_int_equal(pages[0] + pages[sizes[i] / 2] + pages[sizes[i] - 1], 0);
        memset(pages, 1, sizes[i]);
        mmi_os_pages_free(pages, sizes[i]);
    }
    assert_null(mmi_os_pages_alloc(0));
    assert_null(mmi_os_pages_alloc(SIZE_MAX));
    assert_null(mmi_os_pages_alloc(SIZE_MAX / 2));
    mmi_os_pages_free(NULL, 1);
}

static void libraries(void **state)
{
    (void)state;
    assert_null(mmi_library_open("./no-such-library.so", false));
    check_error(MM_EPLUGIN);
    void *self = mmi_library_open(NULL, false);
    assert_non_null(self);
    assert_non_null(mmi_library_find_symbol(self, "malloc"));
    assert_null(mmi_library_find_symbol(self, "no_such_symbol"));
    assert_null(mmi_library_symbol(self, "no_such_symbol"));
    check_error_text(MM_EPLUGIN, "could not find 'no_such_symbol' in a library");
    char *path = mmi_library_path_of(&program);
    assert_non_null(path);
    mm_free(path);
}

static int die_with_lock(const char *path)
{
    mmi_file_lock lock;
    if (mmi_file_lock_take(&lock, path) != MM_OK) {
        return 3;
    }
    return raise(SIGKILL);
}

static int take_lock(const char *path)
{
    mmi_file_lock lock;
    return mmi_file_lock_take(&lock, path) == MM_EBUSY ? 3 : 0;
}

#define FOLDER_TEST(function)                                                          \
    cmocka_unit_test_setup_teardown((function), make_folder, remove_folder)

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "die-with-lock") == 0) {
        return die_with_lock(argv[2]);
    }
    if (argc == 3 && strcmp(argv[1], "take-lock") == 0) {
        return take_lock(argv[2]);
    }
    program = argv[0];
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(cache_folders),
        FOLDER_TEST(whole_files),
        FOLDER_TEST(large_files),
        FOLDER_TEST(open_files),
        FOLDER_TEST(files_of_lines),
        FOLDER_TEST(atomic_files),
        CLEAN_TEST(temporary_names),
#ifdef MM_FAULTS
        FOLDER_TEST(a_failed_write_harms_nothing),
#endif
        FOLDER_TEST(folders),
        FOLDER_TEST(removal_does_not_follow_links),
        CLEAN_TEST(paths),
        FOLDER_TEST(locks),
        FOLDER_TEST(programs),
        CLEAN_TEST(programs_get_signals),
        CLEAN_TEST(threads_block_signals),
        CLEAN_TEST(threads_clean_up),
        CLEAN_TEST(queues),
        CLEAN_TEST(queues_wait_and_close),
        CLEAN_TEST(clocks),
        CLEAN_TEST(the_machine),
        CLEAN_TEST(large_pages),
        CLEAN_TEST(libraries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
