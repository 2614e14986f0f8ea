/* Reads zip archives that lie in memory. Only the central directory is believed, and of
 * it only what fits the bytes that are there: every offset and size is compared with
 * the archive before it is used, sums are checked for overflow, and a deflated entry
 * cannot claim more than deflate can pack. */
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "base/checksum.h"
#include "base/status.h"
#include "fileio/zip.h"
#include "mmengine/memory.h"

enum {
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR64_SIZE = 20,
    ENTRY_SIZE = 46,
    LOCAL_SIZE = 30,
    MAX_DEFLATE_RATIO = 1032 /* deflate cannot pack better */
};

/* Where the directory lies. */
struct directory {
    uint64_t offset, size, count;
};

static uint64_t little(const unsigned char *data, int size)
{
    uint64_t number = 0;

    for (int i = size; i > 0; i--) {
        number = number << 8 | data[i - 1];
    }
    return number;
}

static bool damaged(const mmi_zip *zip, const char *why)
{
    mm_raise(MM_EDATA, "could not read archive '%s': %s", zip->path, why);
    return false;
}

/* The end record: the last 22 bytes, or before a comment of up to 65535. */
static const unsigned char *find_end(const mmi_zip *zip)
{
    size_t least = zip->size > END_SIZE + 65535 ? zip->size - END_SIZE - 65535 : 0;

    for (size_t at = zip->size >= END_SIZE ? zip->size - END_SIZE + 1 : 0; at > least;
         at--) {
        const unsigned char *record = zip->data + at - 1;
        if (memcmp(record, "PK\5\6", 4) == 0 &&
            at - 1 + END_SIZE + little(record + 20, 2) == zip->size) {
            return record;
        }
    }
    damaged(zip, "the end record is missing, the file is cut off");
    return NULL;
}

/* Replaces what the old record cannot hold by the zip64 record, if there is one. */
static bool read_end64(const mmi_zip *zip, const unsigned char *end,
                       struct directory *out)
{
    size_t at = (size_t)(end - zip->data);

    if (at < LOCATOR64_SIZE || memcmp(end - LOCATOR64_SIZE, "PK\6\7", 4) != 0) {
        return true;
    }
    uint64_t offset = little(end - LOCATOR64_SIZE + 8, 8);
    if (zip->size < END64_SIZE || offset > zip->size - END64_SIZE ||
        memcmp(zip->data + offset, "PK\6\6", 4) != 0) {
        return damaged(zip, "the zip64 end record is missing");
    }
    const unsigned char *record = zip->data + offset;
    out->count = little(record + 32, 8);
    out->size = little(record + 40, 8);
    out->offset = little(record + 48, 8);
    return true;
}

/* Takes 64-bit sizes from the zip64 field of an entry's extra data. */
static bool read_extra64(mmi_zip_entry *entry, const unsigned char *extra, size_t size)
{
    uint64_t *fields[] = {&entry->size, &entry->packed_size, &entry->header};

    for (size_t at = 0; at + 4 <= size;) {
        size_t field_size = (size_t)little(extra + at + 2, 2);
        if (field_size > size - at - 4) {
            return true; /* padding that is no field */
        }
        const unsigned char *field = extra + at + 4;
        size_t used = 0;
        for (int i = 0; little(extra + at, 2) == 1 && i < 3; i++) {
            if (*fields[i] == UINT32_MAX) {
                if (field_size - used < 8) {
                    return false;
                }
                *fields[i] = little(field + used, 8);
                used += 8;
            }
        }
        at += 4 + field_size;
    }
    return true;
}

/* One entry of the directory at `at`; returns its bytes, 0 on failure. */
static size_t read_entry(mmi_zip *zip, const unsigned char *at, size_t left,
                         mmi_zip_entry *entry)
{
    if (left < ENTRY_SIZE || memcmp(at, "PK\1\2", 4) != 0) {
        damaged(zip, "the directory ends too early");
        return 0;
    }
    size_t name_size = (size_t)little(at + 28, 2);
    size_t extra_size = (size_t)little(at + 30, 2);
    size_t size = ENTRY_SIZE + name_size + extra_size + (size_t)little(at + 32, 2);
    if (size > left) {
        damaged(zip, "the directory ends too early");
        return 0;
    }
    *entry = (mmi_zip_entry){.name = (const char *)at + ENTRY_SIZE,
                             .name_size = name_size,
                             .header = little(at + 42, 4),
                             .packed_size = little(at + 20, 4),
                             .size = little(at + 24, 4),
                             .crc = (uint32_t)little(at + 16, 4),
                             .method = (uint16_t)little(at + 10, 2)};
    bool is_fine = read_extra64(entry, at + ENTRY_SIZE + name_size, extra_size) &&
                   entry->header < zip->size && entry->packed_size <= zip->size;
    if (is_fine && entry->method == MMI_ZIP_STORED) {
        is_fine = entry->size == entry->packed_size;
    } else if (is_fine && entry->method == MMI_ZIP_DEFLATED) {
        is_fine = entry->size / MAX_DEFLATE_RATIO <= entry->packed_size;
    }
    if (!is_fine) {
        damaged(zip, "an entry claims sizes that cannot be");
        return 0;
    }
    if ((little(at + 8, 2) & 1) != 0) {
        mm_raise(MM_EUNSUPPORTED, "could not read archive '%s': it is encrypted",
                 zip->path);
        return 0;
    }
    return size;
}

static int compare_names(const mmi_zip_entry *a, const char *name, size_t size)
{
    int order = memcmp(a->name, name, a->name_size < size ? a->name_size : size);
    return order != 0 ? order : (a->name_size > size) - (a->name_size < size);
}

/* Heapsort of the entry numbers by name; qsort would need the entries as a global. */
static void sift_down(mmi_zip *zip, size_t root, size_t count)
{
    uint32_t *order = zip->order;
    uint32_t moved = order[root];

    for (size_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        const mmi_zip_entry *a = &zip->entries[order[child]];
        if (child + 1 < count) {
            const mmi_zip_entry *b = &zip->entries[order[child + 1]];
            if (compare_names(a, b->name, b->name_size) < 0) {
                child++;
                a = b;
            }
        }
        const mmi_zip_entry *top = &zip->entries[moved];
        if (compare_names(a, top->name, top->name_size) <= 0) {
            break;
        }
        order[root] = order[child];
        root = child;
    }
    order[root] = moved;
}

static void sort_names(mmi_zip *zip)
{
    for (size_t i = 0; i < zip->count; i++) {
        zip->order[i] = (uint32_t)i;
    }
    for (size_t i = zip->count / 2; i > 0; i--) {
        sift_down(zip, i - 1, zip->count);
    }
    for (size_t last = zip->count; last > 1; last--) {
        uint32_t first = zip->order[0];
        zip->order[0] = zip->order[last - 1];
        zip->order[last - 1] = first;
        sift_down(zip, 0, last - 1);
    }
}

static bool read_directory(mmi_zip *zip, const struct directory *directory)
{
    uint64_t offset = directory->offset;

    if (offset > zip->size || directory->size > zip->size - offset ||
        directory->count > directory->size / ENTRY_SIZE ||
        directory->count > INT32_MAX) {
        return damaged(zip, "the directory lies outside the file");
    }
    zip->entries = mm_alloc_array((size_t)directory->count + 1, sizeof *zip->entries);
    zip->order = mm_alloc_array((size_t)directory->count + 1, sizeof *zip->order);
    if (zip->entries == NULL || zip->order == NULL) {
        return false;
    }
    const unsigned char *at = zip->data + offset;
    size_t left = (size_t)directory->size;
    for (uint64_t i = 0; i < directory->count; i++) {
        size_t used = read_entry(zip, at, left, &zip->entries[zip->count]);
        if (used == 0) {
            return false;
        }
        zip->count++;
        at += used;
        left -= used;
    }
    sort_names(zip);
    return true;
}

mm_status mmi_zip_init(mmi_zip *zip, const void *data, size_t size, const char *path)
{
    *zip = (mmi_zip){.data = data, .size = size, .path = path};
    const unsigned char *end = mmi_is_pending() ? NULL : find_end(zip);

    if (end != NULL) {
        struct directory directory = {.count = little(end + 10, 2),
                                      .size = little(end + 12, 4),
                                      .offset = little(end + 16, 4)};
        if (read_end64(zip, end, &directory)) {
            read_directory(zip, &directory);
        }
    }
    return mm_pending();
}

void mmi_zip_deinit(mmi_zip *zip)
{
    mm_free(zip->entries);
    mm_free(zip->order);
    *zip = (mmi_zip){0};
}

const mmi_zip_entry *mmi_zip_find(const mmi_zip *zip, const char *name)
{
    size_t size = strlen(name);
    size_t low = 0;
    size_t high = zip->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const mmi_zip_entry *entry = &zip->entries[zip->order[middle]];
        int order = compare_names(entry, name, size);
        if (order == 0) {
            return entry;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const unsigned char *mmi_zip_packed(const mmi_zip *zip, const mmi_zip_entry *entry)
{
    const unsigned char *header = zip->data + entry->header;
    uint64_t left = zip->size - entry->header;

    if (left < LOCAL_SIZE || memcmp(header, "PK\3\4", 4) != 0) {
        damaged(zip, "an entry has no local header");
        return NULL;
    }
    uint64_t skip = LOCAL_SIZE + little(header + 26, 2) + little(header + 28, 2);
    bool is_same = skip <= left && little(header + 26, 2) == entry->name_size &&
                   memcmp(header + LOCAL_SIZE, entry->name, entry->name_size) == 0;
    if (!is_same || entry->packed_size > left - skip) {
        damaged(zip, "an entry's local header does not fit the directory");
        return NULL;
    }
    return header + skip;
}

mm_status mmi_zip_check(const mmi_zip_entry *entry, const unsigned char *data,
                        const char *path)
{
    if (mmi_crc32(0, data, (size_t)entry->size) == entry->crc) {
        return MM_OK;
    }
    return mm_raise(MM_EDATA,
                    "could not read '%.*s' in '%s': wrong checksum, the file "
                    "is damaged",
                    entry->name_size < 200 ? (int)entry->name_size : 200, entry->name,
                    path);
}

/* Unpacks into memory of exactly the size that the directory gives. */
static unsigned char *unpack(const mmi_zip *zip, const mmi_zip_entry *entry,
                             const unsigned char *packed)
{
    z_stream stream = {.next_in = packed};
    unsigned char *out = mm_realloc(NULL, (size_t)entry->size + 1);
    if (out == NULL || inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
        mm_free(out);
        mm_raise(MM_ENOMEM, "out of memory while unpacking '%s'", zip->path);
        return NULL;
    }
    uint64_t in_left = entry->packed_size;
    uint64_t out_left = entry->size + 1; /* one more shows an entry that is too long */
    int result = Z_OK;
    stream.next_out = out;
    while (result == Z_OK) {
        uInt in = in_left < 1U << 30 ? (uInt)in_left : 1U << 30;
        uInt room = out_left < 1U << 30 ? (uInt)out_left : 1U << 30;
        stream.avail_in = in;
        stream.avail_out = room;
        result = inflate(&stream, Z_NO_FLUSH);
        if (in == stream.avail_in && room == stream.avail_out && result == Z_OK) {
            result = Z_BUF_ERROR;
        }
        in_left -= in - stream.avail_in;
        out_left -= room - stream.avail_out;
    }
    inflateEnd(&stream);
    if (result != Z_STREAM_END || out_left != 1) {
        damaged(zip, "a deflated entry is damaged");
        mm_free(out);
        return NULL;
    }
    return out;
}

const unsigned char *mmi_zip_read(const mmi_zip *zip, const mmi_zip_entry *entry,
                                  void **out_owned)
{
    const unsigned char *packed = mmi_zip_packed(zip, entry);
    void *owned = NULL;
    const unsigned char *data = packed;

    *out_owned = NULL;
    if (packed == NULL) {
        return NULL;
    }
    if (entry->method == MMI_ZIP_DEFLATED) {
        data = owned = unpack(zip, entry, packed);
    } else if (entry->method != MMI_ZIP_STORED) {
        mm_raise(MM_EUNSUPPORTED, "could not read archive '%s': packed by method %d",
                 zip->path, (int)entry->method);
        data = NULL;
    }
    if (data == NULL || mmi_zip_check(entry, data, zip->path) != MM_OK) {
        mm_free(owned);
        return NULL;
    }
    *out_owned = owned;
    return data;
}
