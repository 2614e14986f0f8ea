/* Writes zip archives of stored members. Each member's bytes begin at a multiple of 64
 * of the file, by an extra field "FB" of zeros as PyTorch's writer makes it, so that a
 * mapped file gives aligned tensors. Sizes or offsets that need more than 32 bits get
 * zip64 fields. Times are zero: equal content gives equal bytes. */
#include <string.h>

#include "base/checksum.h"
#include "base/str.h"
#include "fileio/zip.h"
#include "mmengine/memory.h"

enum {
    ALIGNMENT = 64,
    LOCAL_SIZE = 30,
    ENTRY_SIZE = 46,
    EXTRA64_SIZE = 4 + 3 * 8,
    END_SIZES = 56 + 20 + 22,
    CRC_PLACE = 14,    /* in a local header */
    PIECE = 1 << 18,   /* bytes that a cache holds */
    UTF8_NAMES = 0x800 /* flag of each entry */
};

static uint64_t low32(uint64_t number)
{
    return number < UINT32_MAX ? number : UINT32_MAX;
}

static bool is_wide(const mmi_zip_member *member)
{
    return member->size >= UINT32_MAX || member->header >= UINT32_MAX;
}

static void flush(mmi_zip_writer *writer, mmi_str *out)
{
    size_t size = out->size;
    char *data = mmi_str_take(out);

    if (data != NULL && mmi_file_write_all(writer->file, data, size) == MM_OK) {
        writer->offset += size;
    }
    mm_free(data);
}

/* The fields that local header and directory entry share. */
static void put_common(mmi_str *out, const mmi_zip_member *member)
{
    mmi_str_add_little(out, is_wide(member) ? 45 : 20, 2); /* version needed */
    mmi_str_add_little(out, UTF8_NAMES, 2);
    mmi_str_add_little(out, MMI_ZIP_STORED, 2);
    mmi_str_add_little(out, 0, 2);    /* time */
    mmi_str_add_little(out, 0x21, 2); /* 1980-01-01 */
    mmi_str_add_little(out, member->crc, 4);
    mmi_str_add_little(out, low32(member->size), 4);
    mmi_str_add_little(out, low32(member->size), 4);
    mmi_str_add_little(out, strlen(member->name), 2);
}

static void put_local(mmi_zip_writer *writer, const mmi_zip_member *member)
{
    mmi_str out = {0};
    size_t extra64 = member->size >= UINT32_MAX ? 4 + 2 * 8 : 0;
    size_t fixed = LOCAL_SIZE + strlen(member->name) + extra64 + 4;
    size_t padding = (size_t)(0 - (member->header + fixed)) % ALIGNMENT;

    mmi_str_add_n(&out, "PK\3\4", 4);
    put_common(&out, member);
    mmi_str_add_little(&out, extra64 + 4 + padding, 2);
    mmi_str_add(&out, member->name);
    if (extra64 > 0) {
        mmi_str_add_little(&out, 1, 2);
        mmi_str_add_little(&out, 2 * 8, 2);
        mmi_str_add_little(&out, member->size, 8);
        mmi_str_add_little(&out, member->size, 8);
    }
    mmi_str_add_n(&out, "FB", 2);
    mmi_str_add_little(&out, padding, 2);
    for (size_t i = 0; i < padding; i++) {
        mmi_str_add_char(&out, '\0');
    }
    flush(writer, &out);
}

static void put_entry(mmi_str *out, const mmi_zip_member *member)
{
    uint64_t wide[] = {member->size, member->size, member->header};
    bool is_big = member->size >= UINT32_MAX;
    int first = is_big ? 0 : 2;
    int behind = member->header >= UINT32_MAX ? 3 : 2;
    size_t extra = is_wide(member) ? 4 + (size_t)(behind - first) * 8 : 0;

    mmi_str_add_n(out, "PK\1\2", 4);
    mmi_str_add_little(out, is_wide(member) ? 45 : 20, 2); /* version made by */
    put_common(out, member);
    mmi_str_add_little(out, extra, 2);
    mmi_str_add_little(out, 0, 2); /* comment */
    mmi_str_add_little(out, 0, 2); /* disk */
    mmi_str_add_little(out, 0, 2); /* internal attributes */
    mmi_str_add_little(out, 0, 4); /* external attributes */
    mmi_str_add_little(out, low32(member->header), 4);
    mmi_str_add(out, member->name);
    if (extra > 0) {
        mmi_str_add_little(out, 1, 2);
        mmi_str_add_little(out, extra - 4, 2);
        for (int i = first; i < behind; i++) {
            mmi_str_add_little(out, wide[i], 8);
        }
    }
}

uint64_t mmi_zip_cost(const mmi_zip_writer *writer, const char *name, uint64_t size)
{
    size_t name_size = strlen(writer->prefix) + 1 + strlen(name);

    return LOCAL_SIZE + ENTRY_SIZE + 2 * name_size + 2 * EXTRA64_SIZE + 4 + ALIGNMENT +
           size + (writer->members.count == 0 ? END_SIZES : 0);
}

/* The bytes of a member. Large ones are read once: each piece is summed and written
 * while it is in the cache, and the sum goes into the header that stands before. */
static void put_data(mmi_zip_writer *writer, mmi_zip_member *member, const void *data)
{
    unsigned char sum[4];

    for (uint64_t at = 0; at < member->size && !mmi_is_pending(); at += PIECE) {
        const char *piece = (const char *)data + at;
        size_t size = member->size - at < PIECE ? (size_t)(member->size - at) : PIECE;

        if (member->size > PIECE) {
            member->crc = mmi_crc32(member->crc, piece, size);
        }
        (void)mmi_file_write_all(writer->file, piece, size);
    }
    for (int i = 0; i < 4; i++) {
        sum[i] = (unsigned char)(member->crc >> (8 * i));
    }
    if (member->size > PIECE) {
        (void)mmi_file_write_at(writer->file, (int64_t)member->header + CRC_PLACE, sum,
                                sizeof sum);
    }
    writer->offset += member->size;
}

void mmi_zip_add(mmi_zip_writer *writer, const char *name, const void *data,
                 uint64_t size)
{
    if (mmi_is_pending()) {
        return;
    }
    mmi_zip_member member = {.header = writer->offset, .size = size};
    if (size > 0 && size <= PIECE) {
        member.crc = mmi_crc32(0, data, (size_t)size);
    }
    member.name = mm_strfmt("%s/%s", writer->prefix, name);
    if (member.name == NULL) {
        return;
    }
    put_local(writer, &member);
    put_data(writer, &member, data);
    if (mmi_is_pending() || !mmi_vec_push(&writer->members, member)) {
        mm_free(member.name);
    }
}

void mmi_zip_finish(mmi_zip_writer *writer)
{
    mmi_str out = {0};
    uint64_t begin = writer->offset;
    uint64_t count = writer->members.count;

    for (size_t i = 0; i < writer->members.count; i++) {
        put_entry(&out, &writer->members.data[i]);
    }
    uint64_t size = out.size;
    if (count >= UINT16_MAX || begin >= UINT32_MAX || size >= UINT32_MAX) {
        mmi_str_add_n(&out, "PK\6\6", 4);
        mmi_str_add_little(&out, 44, 8); /* bytes of this record behind here */
        mmi_str_add_little(&out, 45, 2);
        mmi_str_add_little(&out, 45, 2);
        mmi_str_add_little(&out, 0, 8); /* disks */
        mmi_str_add_little(&out, count, 8);
        mmi_str_add_little(&out, count, 8);
        mmi_str_add_little(&out, size, 8);
        mmi_str_add_little(&out, begin, 8);
        mmi_str_add_n(&out, "PK\6\7", 4);
        mmi_str_add_little(&out, 0, 4);
        mmi_str_add_little(&out, begin + size, 8);
        mmi_str_add_little(&out, 1, 4);
    }
    mmi_str_add_n(&out, "PK\5\6", 4);
    mmi_str_add_little(&out, 0, 4); /* disks */
    mmi_str_add_little(&out, count < UINT16_MAX ? count : UINT16_MAX, 2);
    mmi_str_add_little(&out, count < UINT16_MAX ? count : UINT16_MAX, 2);
    mmi_str_add_little(&out, low32(size), 4);
    mmi_str_add_little(&out, low32(begin), 4);
    mmi_str_add_little(&out, 0, 2);
    flush(writer, &out);
}

void mmi_zip_writer_deinit(mmi_zip_writer *writer)
{
    for (size_t i = 0; i < writer->members.count; i++) {
        mm_free(writer->members.data[i].name);
    }
    mmi_vec_deinit(&writer->members);
}
