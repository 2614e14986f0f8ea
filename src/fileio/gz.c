/* Reads gzip files, which data sets are published in, from their mapped bytes. What is
 * wrong is said with its place: a header, a checksum, a length, a missing end. */
#include <limits.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "base/os.h"
#include "base/str.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/memory.h"

enum { PIECE = 1 << 16 };

struct unpacker {
    const char *path;
    const unsigned char *data;
    size_t size, used;
    size_t max_size; /* 0: none */
    mmi_str out;
};

static bool damaged(const struct unpacker *unpacker, const char *why)
{
    mm_raise(MM_EDATA, "could not unpack '%s': %s at byte %zu of %zu", unpacker->path,
             why, unpacker->used, unpacker->size);
    return false;
}

/* Room for the next piece. The last four bytes of a file say how long its content is;
 * it is a hint only, since anybody can write them. */
static char *next_room(struct unpacker *unpacker, size_t *out_room)
{
    size_t room = PIECE;

    if (unpacker->out.size == 0 && unpacker->size > 18) {
        const unsigned char *end = unpacker->data + unpacker->size;
        size_t hint = (size_t)end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 |
                      (size_t)end[-1] << 24;
        room = hint / 1032 <= unpacker->size && hint > room ? hint + 1 : room;
    }
    if (unpacker->max_size > 0) {
        size_t left = unpacker->max_size + 1 - unpacker->out.size;
        room = room < left ? room : left;
    }
    *out_room = room;
    return mmi_str_extend(&unpacker->out, room);
}

/* Unpacks one member; `used` moves behind it. */
static bool unpack_member(struct unpacker *unpacker)
{
    z_stream stream = {0};
    int result = inflateInit2(&stream, MAX_WBITS + 16);

    if (result != Z_OK) {
        mm_raise(MM_ENOMEM, "out of memory while unpacking '%s'", unpacker->path);
        return false;
    }
    while (result == Z_OK && !mmi_is_pending()) {
        size_t room = 0;
        char *out = next_room(unpacker, &room);
        if (out == NULL) {
            break;
        }
        size_t left = unpacker->size - unpacker->used;
        uInt in = left < 1U << 30 ? (uInt)left : 1U << 30;
        uInt space = room < 1U << 30 ? (uInt)room : 1U << 30;
        stream.next_in = unpacker->data + unpacker->used;
        stream.avail_in = in;
        stream.next_out = (unsigned char *)out;
        stream.avail_out = space;
        result = inflate(&stream, Z_NO_FLUSH);
        unpacker->used += in - stream.avail_in;
        mmi_str_cut(&unpacker->out,
                    unpacker->out.size - room + space - stream.avail_out);
        if (unpacker->max_size > 0 && unpacker->out.size > unpacker->max_size) {
            mm_raise(MM_EDATA, "could not unpack '%s': more than %zu bytes come out",
                     unpacker->path, unpacker->max_size);
        } else if (result == Z_BUF_ERROR ||
                   (result == Z_OK && in == 0 && stream.avail_out > 0)) {
            damaged(unpacker, "the file is cut off");
        } else if (result < 0 || result == Z_NEED_DICT) {
            damaged(unpacker, stream.msg != NULL ? stream.msg : "damaged data");
        }
    }
    inflateEnd(&stream);
    return !mmi_is_pending();
}

/* All members one behind the other; zeros at the end are padding. */
static void unpack(struct unpacker *unpacker)
{
    while (unpacker->used < unpacker->size) {
        const unsigned char *at = unpacker->data + unpacker->used;
        bool is_member =
            unpacker->size - unpacker->used >= 2 && at[0] == 0x1f && at[1] == 0x8b;
        if (!is_member) {
            while (unpacker->used < unpacker->size && *at == 0) {
                unpacker->used++;
                at++;
            }
            if (unpacker->used < unpacker->size) {
                damaged(unpacker, "something that is not gzip follows");
            }
            return;
        }
        if (!unpack_member(unpacker)) {
            return;
        }
    }
}

static void copy_plain(struct unpacker *unpacker)
{
    if (unpacker->max_size > 0 && unpacker->size > unpacker->max_size) {
        mm_raise(MM_EDATA, "could not read '%s': it has %zu bytes, more than %zu",
                 unpacker->path, unpacker->size, unpacker->max_size);
        return;
    }
    mmi_str_add_n(&unpacker->out, (const char *)unpacker->data, unpacker->size);
}

void *mm_gz_read(const char *path, size_t max_size, size_t *out_size)
{
    mmi_mapping mapping = {0};

    if (!MMI_NEED(path) || !MMI_NEED(out_size) ||
        mmi_map_file(path, &mapping) != MM_OK) {
        return NULL;
    }
    struct unpacker unpacker = {.path = path, .max_size = max_size};
    unpacker.data = mapping.data;
    unpacker.size = mapping.size;
    if (mapping.size >= 2 && memcmp(mapping.data, "\x1f\x8b", 2) == 0) {
        unpack(&unpacker);
    } else if (mapping.size > 0) {
        copy_plain(&unpacker);
    }
    mmi_unmap_file(&mapping);
    size_t size = unpacker.out.size;
    void *data = mmi_str_take(&unpacker.out);
    if (data != NULL) {
        *out_size = size;
    }
    return data;
}

/* The whole content in one call: what is written this way fits in memory anyway. */
mm_status mm_gz_write(const char *path, const void *data, size_t size)
{
    z_stream stream = {.next_in = data, .avail_in = (uInt)size};

    if (size > UINT_MAX ||
        deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return mm_raise(size > UINT_MAX ? MM_EUNSUPPORTED : MM_ENOMEM,
                        "could not pack %zu bytes for '%s'", size, path);
    }
    uLong room = deflateBound(&stream, (uLong)size);
    unsigned char *packed = mm_alloc(room);

    stream.next_out = packed;
    stream.avail_out = (uInt)room;
    if (packed != NULL && deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        (void)mm_raise(MM_EINTERNAL, "could not pack %zu bytes for '%s'", size, path);
    }
    (void)deflateEnd(&stream);
    mm_status status = packed == NULL || mm_has_error()
                           ? mm_pending()
                           : mm_file_write(path, packed, stream.total_out);

    mm_free(packed);
    return status;
}
