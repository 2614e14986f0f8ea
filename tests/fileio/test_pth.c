/* Containers of PyTorch read here, and ours read again. That PyTorch reads ours is
 * checked live by torch_load.py where MM_TEST_PYTHON names a Python with torch. */
#include "helpers.h"

#include "base/str.h"
#include "mmengine/pth.h"

/* Writes the lines of tools/golden/fileio.py for each tensor of a tree. */
static void list_tensors(const mm_value *value, const char *path, mmi_str *out)
{
    const mm_pth_tensor *tensor = mm_pth_find_tensor(value);

    if (mm_value_kind(value) == MM_KIND_DICT) {
        for (size_t i = 0; i < mm_value_len(value); i++) {
            const char *name = mm_dict_name_at(value, i);
            char *inner = mm_strfmt("%s.%s", path, name != NULL ? name : "");
            if (name == NULL) {
                mm_free(inner);
                inner = mm_strfmt("%s.%lld", path,
                                  (long long)mm_value_i64(mm_dict_key_at(value, i)));
            }
            list_tensors(mm_dict_at(value, i), inner, out);
            mm_free(inner);
        }
    }
    if (tensor == NULL) {
        return;
    }
    mmi_str_addf(out, "%s [", path);
    for (int i = 0; i < tensor->ndim; i++) {
        mmi_str_addf(out, i > 0 ? ",%d" : "%d", (int)tensor->sizes[i]);
    }
    mmi_str_add(out, "] [");
    for (int i = 0; i < tensor->ndim; i++) {
        mmi_str_addf(out, i > 0 ? ",%d" : "%d", (int)tensor->strides[i]);
    }
    mmi_str_addf(out, "] %d %d%d ", (int)tensor->offset, tensor->requires_grad,
                 tensor->is_parameter);
    const unsigned char *data = mm_pth_storage_data(tensor->storage);
    assert_non_null(data);
    for (size_t i = 0; i < tensor->memory_bytes; i++) {
        mmi_str_addf(out, "%02x", data[i]);
    }
    mmi_str_add(out, tensor->memory_bytes > 0 ? "\n" : "-\n");
}

/* Reads a file and compares all of it with a golden text. */
static void check_file(const char *path, const char *golden)
{
    mm_value *root = mm_pth_read(&(mm_pth_read_args){.path = path});
    check_ok();
    char *text = golden_bytes(golden, NULL);
    char *rest = text;
    mmi_str lines = {0};

    check_repr(root, next_line(&rest));
    list_tensors(root, "", &lines);
    assert_string_equal(mmi_str_text(&lines), rest);
    mmi_str_deinit(&lines);
    mm_free(text);
    mm_value_unref(root);
}

static void test_read(void **state)
{
    (void)state;
    check_file(GOLDEN "everything.pth", "everything.txt");
    check_file(GOLDEN "checkpoint.pth", "checkpoint.txt");
}

static void test_read_other_containers(void **state)
{
    (void)state;
    check_file(GOLDEN "legacy.pth", "everything.txt");
    check_file(GOLDEN "deflated.pth", "everything.txt");
    check_file(GOLDEN "zip64.pth", "everything.txt");
}

static void rewrite(const char *from, const char *to, bool keep_ordered)
{
    mm_value *root =
        mm_pth_read(&(mm_pth_read_args){.path = from, .keep_ordered = keep_ordered});

    assert_int_equal(mm_pth_write(&(mm_pth_write_args){.path = to, .root = root}),
                     MM_OK);
    check_ok();
    mm_value_unref(root);
    assert_int_equal(mm_pth_verify(to), MM_OK);
}

static void test_rewrite(void **state)
{
    (void)state;
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "new/a.pth");
    size_t sizes[2] = {0};

    rewrite(GOLDEN "everything.pth", path, true);
    check_file(path, "everything.txt");
    rewrite(GOLDEN "legacy.pth", path, false);
    check_file(path, "everything.txt");
    char *first = mm_file_read(path, &sizes[0]);
    rewrite(path, path, false); /* over itself: the mapped file stays as it was */
    char *second = mm_file_read(path, &sizes[1]);
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(first, second, sizes[0]);
    mm_free(first);
    mm_free(second);
    mm_free(path);
    remove_scratch(folder);
}

/* --- tensors of somebody else, described and made by callbacks --- */

struct thing {
    float data[6];
    int count;
};

static void thing_ref(void *object)
{
    ((struct thing *)object)->count++;
}

static void thing_unref(void *object)
{
    ((struct thing *)object)->count--;
}

static const mm_object_ops thing_object = {
    .name = "thing", .ref = thing_ref, .unref = thing_unref};

static bool describe(void *user, const mm_value *object, mm_pth_tensor *out)
{
    const struct thing *thing = mm_value_find_object(object, &thing_object);

    if (thing == NULL) {
        return false;
    }
    ++*(int *)user;
    *out = (mm_pth_tensor){.dtype = MM_DTYPE_F32,
                           .ndim = 2,
                           .sizes = {2, 3},
                           .strides = {3, 1},
                           .memory = thing->data,
                           .memory_bytes = sizeof thing->data,
                           .is_parameter = true,
                           .requires_grad = true};
    return true;
}

static mm_value *make(void *user, const mm_pth_tensor *tensor)
{
    struct thing *thing = user;

    assert_int_equal(tensor->memory_bytes, sizeof thing->data);
    memcpy(thing->data, mm_pth_storage_data(tensor->storage), sizeof thing->data);
    return tensor->is_parameter && tensor->requires_grad
               ? mm_value_new_object(thing, &thing_object)
               : mm_value_new_str("plain");
}

static void test_callbacks(void **state)
{
    (void)state;
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "a.pth");
    struct thing thing = {.data = {1, 2, 3, 4, 5, 6}};
    struct thing again = {0};
    mm_value *value = mm_value_new_object(&thing, &thing_object);
    mm_value *root = mm_value_new_list();
    int calls = 0;

    mm_list_append(root, value);
    mm_list_push(root, value);
    assert_int_equal(mm_pth_write(&(mm_pth_write_args){.path = path, .root = root}),
                     MM_ETYPE);
    check_error_text(MM_ETYPE, "could not write pickle: a value of type 'thing' has no "
                               "form in it");
    assert_false(mm_file_exists(path));
    mm_pth_write_args args = {
        .path = path, .root = root, .describe = describe, .user = &calls};
    assert_int_equal(mm_pth_write(&args), MM_OK);
    assert_int_equal(calls, 1); /* the second one is the first */
    mm_value_unref(root);
    root = mm_pth_read(&(mm_pth_read_args){.path = path, .make = make, .user = &again});
    check_ok();
    assert_memory_equal(again.data, thing.data, sizeof thing.data);
    assert_int_equal(again.count, 1);
    assert_ptr_equal(mm_list_get(root, 0), mm_list_get(root, 1));
    mm_value_unref(root);
    assert_int_equal(again.count, 0);
    mm_free(path);
    remove_scratch(folder);
}

static mm_value *stored(const void *memory, size_t bytes, int64_t offset, int64_t size)
{
    return mm_pth_tensor_new(&(mm_pth_tensor){.dtype = MM_DTYPE_I64,
                                              .ndim = 1,
                                              .sizes = {size},
                                              .strides = {1},
                                              .offset = offset,
                                              .memory = memory,
                                              .memory_bytes = bytes});
}

/* Views of one memory share a storage; a view beyond it is refused. */
static void test_aliases(void **state)
{
    (void)state;
    static const int64_t memory[1000] = {7, 8, 9};
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "a.pth");
    mm_value *root = mm_value_new_dict();

    mm_dict_take(root, "a", stored(memory, sizeof memory, 0, 2));
    mm_dict_take(root, "b", stored(memory, sizeof memory, 1, 2));
    mm_pth_write_args args = {.path = path, .root = root};
    assert_int_equal(mm_pth_write(&args), MM_OK);
    assert_in_range(mm_file_size(path), 8000, 10000);
    mm_value *again = mm_pth_read(&(mm_pth_read_args){.path = path});
    const mm_pth_tensor *a = mm_pth_find_tensor(mm_dict_get(again, "a"));
    const mm_pth_tensor *b = mm_pth_find_tensor(mm_dict_get(again, "b"));
    assert_ptr_equal(a->storage, b->storage);
    const int64_t *data = mm_pth_storage_data(a->storage);
    assert_int_equal((uintptr_t)data % 64, 0);
    assert_int_equal(data[b->offset], 8);
    mm_value_unref(again);
    mm_dict_take(root, "c", stored(memory, sizeof memory, 999, 2));
    assert_int_equal(mm_pth_write(&args), MM_EINVAL);
    check_error(MM_EINVAL);
    mm_value_unref(root);
    mm_free(path);
    remove_scratch(folder);
}

static void test_ordered(void **state)
{
    (void)state;
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "a.pth");
    mm_value *dict = mm_value_new_dict();
    mm_value *metadata = mm_value_new_dict();

    mm_dict_put_i64(dict, "w", 1);
    mm_dict_put_i64(metadata, "version", 2);
    mm_value *root = mm_pth_new_ordered(dict, metadata);
    assert_int_equal(mm_pth_write(&(mm_pth_write_args){.path = path, .root = root}),
                     MM_OK);
    mm_value *plain = mm_pth_read(&(mm_pth_read_args){.path = path});
    check_repr(plain, "{'w': 1}");
    mm_value *kept =
        mm_pth_read(&(mm_pth_read_args){.path = path, .keep_ordered = true});
    assert_true(mm_value_equal(kept, root));
    check_repr(mm_pickle_state(kept), "{'_metadata': {'version': 2}}");
    mm_value_unref(kept);
    mm_value_unref(plain);
    mm_value_unref(root);
    mm_value_unref(metadata);
    mm_value_unref(dict);
    mm_free(path);
    remove_scratch(folder);
}

/* What is no plain tensor stays a node, and comes back as it was. */
static void test_nodes(void **state)
{
    (void)state;
    static const char *const files[][2] = {
        {GOLDEN "conjugate.pth", "torch._utils._rebuild_tensor_v2"},
        {GOLDEN "legacy_module.pth", "torch.nn.modules.flatten.Flatten"}};
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "a.pth");

    for (size_t i = 0; i < 2; i++) {
        rewrite(files[i][0], path, false);
        mm_value *first = mm_pth_read(&(mm_pth_read_args){.path = files[i][0]});
        mm_value *again = mm_pth_read(&(mm_pth_read_args){.path = path});
        const char *names[] = {mm_pickle_class(mm_dict_get(first, "x")),
                               mm_pickle_class(mm_dict_get(again, "x"))};
        check_ok();
        assert_string_equal(names[0], files[i][1]);
        assert_string_equal(names[1], files[i][1]);
        mm_value_unref(again);
        mm_value_unref(first);
    }
    mm_free(path);
    remove_scratch(folder);
}

static void check_refused(const char *folder, const char *data, size_t size,
                          mm_status code, const char *why)
{
    char *path = mm_path_join(folder, "x.pth");
    mm_error error;

    assert_int_equal(mm_file_write(path, data, size), MM_OK);
    assert_null(mm_pth_read(&(mm_pth_read_args){.path = path}));
    assert_int_equal(mm_error_take(&error), code);
    assert_non_null(strstr(error.message, why));
    assert_non_null(strstr(error.message, "x.pth"));
    assert_int_equal(mm_pth_verify(path), code);
    mm_error_take(NULL);
    mm_free(path);
}

static void test_refused(void **state)
{
    (void)state;
    char *folder = make_scratch();
    char tar[1024] = {0};
    size_t size = 0;

    memcpy(tar + 257, "ustar", 5);
    check_refused(folder, "", 0, MM_EDATA, "it is empty");
    check_refused(folder, "hello world", 11, MM_EDATA, "it is no PyTorch checkpoint");
    check_refused(folder, tar, sizeof tar, MM_EUNSUPPORTED, "tar format");
    char *pickle = golden_bytes("plain2.pkl", &size);
    check_refused(folder, pickle, size, MM_EDATA, "it is no PyTorch checkpoint");
    mm_free(pickle);
    char *data = golden_bytes("everything.pth", &size);
    check_refused(folder, data, size - 1, MM_EDATA, "cut off");
    check_refused(folder, data, size / 2, MM_EDATA, "cut off");
    mm_free(data);
    data = golden_bytes("legacy.pth", &size);
    check_refused(folder, data, size - 1, MM_EDATA, "cut off");
    mm_free(data);
    assert_null(mm_pth_read(&(mm_pth_read_args){.path = "nowhere.pth"}));
    check_error(MM_ENOENT);
    remove_scratch(folder);
}

/* A flipped bit in the middle of a tensor is found when the tensor is asked for. */
static void test_damaged_tensor(void **state)
{
    (void)state;
    static const unsigned char ones[] = {0, 0, 128, 63, 0, 0, 128, 63};
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "a.pth");
    size_t size = 0;
    char *data = golden_bytes("everything.pth", &size);
    size_t at = 0;

    while (memcmp(data + at, ones, sizeof ones) != 0) {
        at++;
    }
    data[at] ^= 1;
    assert_int_equal(mm_file_write(path, data, size), MM_OK);
    mm_value *root = mm_pth_read(&(mm_pth_read_args){.path = path});
    check_ok();
    const mm_pth_tensor *weight =
        mm_pth_find_tensor(mm_dict_get(mm_dict_get(root, "state"), "weight"));
    assert_null(mm_pth_storage_data(weight->storage));
    mm_error error;
    assert_int_equal(mm_error_take(&error), MM_EDATA);
    assert_non_null(strstr(error.message, "wrong checksum, the file is damaged"));
    mm_value_unref(root);
    assert_int_equal(mm_pth_verify(path), MM_EDATA);
    check_error(MM_EDATA);
    mm_free(data);
    mm_free(path);
    remove_scratch(folder);
}

static void test_unwritable(void **state)
{
    (void)state;
    mm_value *root = mm_value_new_dict();

    mm_pth_write_args args = {.path = "/proc/nowhere/a.pth", .root = root};
    assert_true(mm_pth_write(&args) < 0);
    assert_true(mm_error_take(NULL) < 0);
    mm_value_unref(root);
}

static void test_stale(void **state)
{
    (void)state;
    char *folder = make_scratch();
    char host[256];
    mmi_os_host_name(host, sizeof host);
    char *dead = mm_strfmt("%s/a.pth.%s-999999999-1.tmp", folder, host);
    char *mine =
        mm_strfmt("%s/a.pth.%s-%lld-1.tmp", folder, host, (long long)mmi_os_pid());
    char *other = mm_strfmt("%s/a.pth.elsewhere-999999999-1.tmp", folder);
    char *plain = mm_strfmt("%s/notes.tmp", folder);

    assert_int_equal(mm_file_write(dead, "", 0), MM_OK);
    assert_int_equal(mm_file_write(mine, "", 0), MM_OK);
    assert_int_equal(mm_file_write(other, "", 0), MM_OK);
    assert_int_equal(mm_file_write(plain, "", 0), MM_OK);
    assert_int_equal(mm_file_remove_stale(folder), 1);
    check_ok();
    assert_false(mm_file_exists(dead));
    assert_true(mm_file_exists(mine));
    assert_true(mm_file_exists(other));
    assert_true(mm_file_exists(plain));
    mm_free(dead);
    mm_free(mine);
    mm_free(other);
    mm_free(plain);
    remove_scratch(folder);
}

/* Runs a script with the Python that has torch. */
static void run_python(const char *const *argv)
{
    mmi_spawn_result result = {0};

    assert_int_equal(
        mmi_spawn(&(mmi_spawn_args){.argv = argv, .joins_stderr = true}, &result),
        MM_OK);
    if (result.exit_code != 0) {
        print_error("%s\n", result.output);
    }
    assert_int_equal(result.exit_code, 0);
    mmi_spawn_result_deinit(&result);
}

static void put_tensor(mm_value *root, const char *name, mm_pth_tensor tensor)
{
    mm_dict_take(root, name, mm_pth_tensor_new(&tensor));
}

static mm_value *plain_list(void)
{
    mm_value *list = mm_value_new_list();
    mm_value *pair = mm_value_new_tuple();

    mm_list_push(pair, mm_value_new_i64(1));
    mm_list_push(pair, mm_value_new_i64(2));
    mm_list_push(list, mm_value_new_i64(1));
    mm_list_push(list, mm_value_new_f64(2.5));
    mm_list_push(list, mm_value_new_str("x"));
    mm_list_push(list, mm_value_new_none());
    mm_list_push(list, mm_value_new_bool(true));
    mm_list_push(list, pair);
    return list;
}

/* Storages that are shared, large, small, empty; with `big` bytes, 4 GiB and more. */
static void write_all_kinds(const char *path, unsigned char *big, size_t big_size)
{
    enum { COUNT = 100000 };
    static float numbers[COUNT];
    static const unsigned char bytes[] = {1, 2, 255};
    static const float param[] = {0.5F, -1.0F}, behind[] = {3.0F, 4.0F};
    mm_value *root = mm_value_new_dict();

    for (int i = 0; i < COUNT; i++) {
        numbers[i] = (float)i / 2;
    }
    mm_pth_tensor whole = {.dtype = MM_DTYPE_F32,
                           .ndim = 1,
                           .sizes = {COUNT},
                           .strides = {1},
                           .memory = numbers,
                           .memory_bytes = sizeof numbers};
    mm_pth_tensor part = whole;
    part.ndim = 2;
    part.sizes[0] = 10, part.sizes[1] = 3;
    part.strides[0] = 5, part.strides[1] = 2;
    part.offset = 7;
    put_tensor(root, "whole", whole);
    put_tensor(root, "part", part);
    put_tensor(
        root, "bytes",
        (mm_pth_tensor){MM_DTYPE_U8, 1, {3}, {1}, .memory = bytes, .memory_bytes = 3});
    put_tensor(root, "empty",
               (mm_pth_tensor){MM_DTYPE_F64, 2, {0, 4}, {4, 1}, .offset = 0});
    put_tensor(root, "param",
               (mm_pth_tensor){MM_DTYPE_F32,
                               1,
                               {2},
                               {1},
                               .requires_grad = true,
                               .is_parameter = true,
                               .memory = param,
                               .memory_bytes = 8});
    mm_dict_take(root, "list", plain_list());
    if (big != NULL) {
        put_tensor(root, "big",
                   (mm_pth_tensor){MM_DTYPE_U8,
                                   1,
                                   {(int64_t)big_size},
                                   {1},
                                   .memory = big,
                                   .memory_bytes = big_size});
        put_tensor(root, "behind",
                   (mm_pth_tensor){
                       MM_DTYPE_F32, 1, {2}, {1}, .memory = behind, .memory_bytes = 8});
    }
    assert_int_equal(mm_pth_write(&(mm_pth_write_args){.path = path, .root = root}),
                     MM_OK);
    assert_int_equal(mm_pth_verify(path), MM_OK);
    mm_value_unref(root);
}

static void check_with_torch(unsigned char *big, size_t big_size)
{
    const char *python = mmi_os_env("MM_TEST_PYTHON");
    char *folder = make_scratch();
    char *path = mm_path_join(folder, "kinds.pth");

    write_all_kinds(path, big, big_size);
    if (python != NULL) {
        run_python((const char *[]){python, "fileio/torch_written.py", path, NULL});
    }
    mm_free(path);
    remove_scratch(folder);
}

static void test_all_kinds_of_storages(void **state)
{
    (void)state;
    check_with_torch(NULL, 0);
}

/* Sizes and offsets above 4 GiB; only where somebody has the room and the time. */
static void test_zip64(void **state)
{
    (void)state;
    const size_t size = 4400000000U;
    if (mmi_os_env("MM_TEST_BIG") == NULL) {
        skip();
    }
    unsigned char *big = mm_alloc(size);
    assert_non_null(big);
    big[size - 1] = 7;
    check_with_torch(big, size);
    mm_free(big);
}

/* PyTorch itself reads what we wrote and finds the values of the original. */
static void test_torch_reads_it(void **state)
{
    (void)state;
    const char *python = mmi_os_env("MM_TEST_PYTHON");
    if (python == NULL) {
        skip();
    }
    char *folder = make_scratch();
    char *a = mm_path_join(folder, "everything.pth");
    char *b = mm_path_join(folder, "checkpoint.pth");
    rewrite(GOLDEN "everything.pth", a, true);
    rewrite(GOLDEN "checkpoint.pth", b, false);
    const char *argv[] = {python, "fileio/torch_load.py", GOLDEN, folder, NULL};
    run_python(argv);
    mm_free(a);
    mm_free(b);
    remove_scratch(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN_TEST(test_read),
        CLEAN_TEST(test_read_other_containers),
        CLEAN_TEST(test_rewrite),
        CLEAN_TEST(test_callbacks),
        CLEAN_TEST(test_aliases),
        CLEAN_TEST(test_ordered),
        CLEAN_TEST(test_nodes),
        CLEAN_TEST(test_refused),
        CLEAN_TEST(test_damaged_tensor),
        CLEAN_TEST(test_unwritable),
        CLEAN_TEST(test_stale),
        CLEAN_TEST(test_torch_reads_it),
        CLEAN_TEST(test_all_kinds_of_storages),
        CLEAN_TEST(test_zip64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
