/* MNIST and Fashion-MNIST in the IDX format, plain or gzip, read into one flat buffer
 * that all loader threads share. A sample's "img" is a view of it: nothing is copied.
 *
 * Source: mmpretrain/datasets/mnist.py; format: Y. LeCun, "The MNIST database". */
#include <string.h>

#include "mmengine/dataset.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/log.h"
#include "mmengine/memory.h"

enum { IDX_U8 = 8, MAX_CLASSES = 10 };

/* An IDX file in memory: unsigned bytes behind a header of big-endian sizes. */
struct idx {
    uint8_t *file; /* owned */
    const uint8_t *data;
    int ndim;
    int64_t sizes[3];
};

struct mnist {
    mm_base_dataset base;
    int split;
    bool download;

    struct idx images, labels;
    mm_value *metainfo;
};

enum { SPLIT_DEFAULT, SPLIT_TRAIN, SPLIT_TEST };

static const mm_choice splits[] = {
    {"train", SPLIT_TRAIN, "60,000 images"},
    {"test", SPLIT_TEST, "10,000 images"},
    {"", SPLIT_DEFAULT, "as test_mode says"},
    {0},
};

#define MM_OPT_STRUCT struct mnist
static const mm_option options[] = {
    {"split", "part of the data set; default: as test_mode says",
     MM_OPT_CHOICE(split, SPLIT_DEFAULT, splits)},
    {"download", "accepted: files are never fetched here", MM_OPT_BOOL(download, true)},
    {"", "", MM_OPT_INHERIT(base, mm_base_dataset_options)},
    {0},
};
#undef MM_OPT_STRUCT

static const char *const digits[MAX_CLASSES] = {
    "0 - zero", "1 - one", "2 - two",   "3 - three", "4 - four",
    "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
};

static const char *const clothes[MAX_CLASSES] = {
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot",
};

static int64_t big_endian(const uint8_t *bytes)
{
    return (int64_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/* Reads the header; the rest must be exactly the elements it promises. */
static mm_status parse_idx(struct idx *idx, size_t size, int ndim, const char *path)
{
    size_t header = 4 + 4 * (size_t)ndim;
    uint64_t count = 1;

    if (size < header || idx->file[0] != 0 || idx->file[1] != 0)
        return mm_raise(MM_EDATA, "'%s' is not an IDX file", path);
    if (idx->file[2] != IDX_U8 || idx->file[3] != ndim)
        return mm_raise(MM_EDATA,
                        "'%s' holds type %d in %d dimensions, not bytes in %d", path,
                        idx->file[2], idx->file[3], ndim);
    for (int i = 0; i < ndim; i++) {
        idx->sizes[i] = big_endian(idx->file + 4 + 4 * i);
        if (idx->sizes[i] == 0 || count > size / (uint64_t)idx->sizes[i])
            count = UINT64_MAX / 2; /* more than the file can hold, whatever follows */
        else
            count *= (uint64_t)idx->sizes[i];
    }
    if (count != size - header)
        return mm_raise(MM_EDATA,
                        "'%s' is damaged: its header does not fit its %zu bytes", path,
                        size);
    idx->data = idx->file + header;
    idx->ndim = ndim;
    return MM_OK;
}

/* Finds "<root>/<name>", "<root>/<name>.gz" or either one folder deeper ("raw"). Yours.
 */
static char *find_file(const char *root, const char *name)
{
    static const char *const folders[] = {"", "raw/"};
    static const char *const ends[] = {"", ".gz"};

    for (size_t i = 0; i < 4; i++) {
        char *path = mm_strfmt("%s/%s%s%s", root, folders[i / 2], name, ends[i % 2]);

        if (path == NULL || mm_file_exists(path))
            return path;
        mm_free(path);
    }
    (void)mm_raise(MM_ENOENT, "could not find '%s' or '%s.gz' in '%s'", name, name,
                   root);
    (void)mm_error_hint("set data_root to the folder with the IDX files; on Debian, "
                        "Fashion-MNIST is the package dataset-fashion-mnist");
    return NULL;
}

static mm_status read_idx(struct idx *idx, const char *root, const char *name, int ndim)
{
    char *path = find_file(root, name);
    size_t size = 0;

    if (path != NULL)
        idx->file = mm_gz_read(path, (size_t)1 << 32, &size);
    if (idx->file != NULL)
        (void)parse_idx(idx, size, ndim, path);
    mm_free(path);
    return mm_pending();
}

/* data_root, or data_prefix below it: a str, or the "root" of a dict. Yours. */
static char *root_folder(const struct mnist *self)
{
    const mm_value *prefix = self->base.data_prefix;

    if (mm_value_kind(prefix) == MM_KIND_DICT)
        prefix = mm_dict_find(prefix, "root");
    const char *below =
        mm_value_kind(prefix) == MM_KIND_STR ? mm_value_str(prefix) : "";

    if (self->base.data_root[0] == '\0' && below[0] == '\0') {
        (void)mm_raise(MM_ECONFIG, "the dataset has no data_root");
        return NULL;
    }
    if (below[0] == '\0')
        return mm_strdup(self->base.data_root);
    return self->base.data_root[0] == '\0' ? mm_strdup(below)
                                           : mm_path_join(self->base.data_root, below);
}

static mm_status check_labels(const struct mnist *self)
{
    if (self->images.sizes[0] != self->labels.sizes[0])
        return mm_raise(MM_EDATA, "%lld images but %lld labels",
                        (long long)self->images.sizes[0],
                        (long long)self->labels.sizes[0]);
    for (int64_t i = 0; i < self->labels.sizes[0]; i++) {
        if (self->labels.data[i] >= MAX_CLASSES)
            return mm_raise(MM_EDATA, "label %d of image %lld is above 9",
                            self->labels.data[i], (long long)i);
    }
    return MM_OK;
}

static mm_status full_init(void *data)
{
    struct mnist *self = data;
    bool test = self->split == SPLIT_TEST ||
                (self->split == SPLIT_DEFAULT && self->base.test_mode);
    char *root = root_folder(self);

    if (root != NULL &&
        read_idx(&self->images, root,
                 test ? "t10k-images-idx3-ubyte" : "train-images-idx3-ubyte",
                 3) == MM_OK &&
        read_idx(&self->labels, root,
                 test ? "t10k-labels-idx1-ubyte" : "train-labels-idx1-ubyte",
                 1) == MM_OK)
        (void)check_labels(self);
    mm_free(root);
    return mm_pending();
}

static mm_status init_classes(struct mnist *self, const char *const *names)
{
    mm_value *classes = mm_value_new_tuple();

    for (size_t i = 0; i < MAX_CLASSES; i++)
        mm_list_push(classes, mm_value_new_str(names[i]));
    self->metainfo = mm_value_new_dict();
    mm_dict_take(self->metainfo, "classes", classes);
    return mm_pending();
}

static mm_status init_mnist(void *self)
{
    return init_classes(self, digits);
}

static mm_status init_fashion(void *self)
{
    return init_classes(self, clothes);
}

static void deinit(void *data)
{
    struct mnist *self = data;

    mm_free(self->images.file);
    mm_free(self->labels.file);
    mm_value_unref(self->metainfo);
}

static int64_t len(void *data)
{
    const struct mnist *self = data;

    return self->images.sizes[0];
}

static mm_value *metainfo(void *data)
{
    const struct mnist *self = data;

    return self->metainfo;
}

static void release_instance(void *instance)
{
    mm_instance_unref(instance);
}

/* "img" [H, W, 1] u8, a view that keeps the dataset alive; "gt_label" int. */
static mm_status get(void *data, int64_t index, mm_sample *out)
{
    const struct mnist *self = data;
    int64_t height = self->images.sizes[1], width = self->images.sizes[2];
    int64_t sizes[] = {height, width, 1};
    const uint8_t *pixels = self->images.data + index * height * width;

    mm_sample_put(out, "img",
                  mm_from_memory((void *)(uintptr_t)pixels, MM_DTYPE_U8, 3, sizes, NULL,
                                 release_instance,
                                 mm_instance_ref(mm_instance_of(data))));
    mm_sample_put_i64(out, "gt_label", self->labels.data[index]);
    return mm_sample_status(out);
}

static mm_status cat_ids(void *data, int64_t index, mm_value *out_ids)
{
    const struct mnist *self = data;

    mm_list_push(out_ids, mm_value_new_i64(self->labels.data[index]));
    return mm_pending();
}

static const mm_dataset_ops ops = {
    .len = len,
    .get = get,
    .full_init = full_init,
    .metainfo = metainfo,
    .cat_ids = cat_ids,
};

const mm_component mmz_mnist = {
    .registry = "datasets",
    .scope = "mmpretrain",
    .name = "MNIST",
    .help = "handwritten digits in the IDX format",
    .source = "mmpretrain/datasets/mnist.py",
    .size = sizeof(struct mnist),
    .options = options,
    .init = init_mnist,
    .deinit = deinit,
    MM_DATASET(&ops),
};

const mm_component mmz_fashion_mnist = {
    .registry = "datasets",
    .scope = "mmpretrain",
    .name = "FashionMNIST",
    .help = "pictures of clothes in the IDX format",
    .source = "mmpretrain/datasets/mnist.py",
    .size = sizeof(struct mnist),
    .options = options,
    .init = init_fashion,
    .deinit = deinit,
    MM_DATASET(&ops),
};
