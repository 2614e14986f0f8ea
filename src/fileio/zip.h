/* Zip archives: a reader over mapped bytes that trusts nothing, and a writer of stored,
 * aligned members as PyTorch's containers have them. */
#ifndef MMI_FILEIO_ZIP_H
#define MMI_FILEIO_ZIP_H

#include "base/os.h"
#include "base/vec.h"

enum { MMI_ZIP_STORED = 0, MMI_ZIP_DEFLATED = 8 };

typedef struct mmi_zip_entry {
    const char *name; /* name_size bytes inside the archive, no zero behind */
    size_t name_size;
    uint64_t header; /* of the local header */
    uint64_t packed_size, size;
    uint32_t crc;
    uint16_t method;
} mmi_zip_entry;

typedef struct mmi_zip {
    const unsigned char *data; /* borrowed */
    size_t size;
    const char *path; /* for messages; borrowed */
    mmi_zip_entry *entries;
    size_t count;
    uint32_t *order; /* entries by name */
} mmi_zip;

/* Reads the directory. `zip` is filled or zero; deinit it in any case. */
mm_status mmi_zip_init(mmi_zip *zip, const void *data, size_t size, const char *path);
void mmi_zip_deinit(mmi_zip *zip);
/* The entry of that name, NULL if there is none. */
const mmi_zip_entry *mmi_zip_find(const mmi_zip *zip, const char *name);
/* Where an entry's packed bytes begin, after checks of its local header; NULL and
 * MM_EDATA if it lies outside. */
const unsigned char *mmi_zip_packed(const mmi_zip *zip, const mmi_zip_entry *entry);
/* An entry's bytes with its checksum verified. *out_owned is NULL, or memory to free
 * that holds them (a deflated entry). NULL on error. */
const unsigned char *mmi_zip_read(const mmi_zip *zip, const mmi_zip_entry *entry,
                                  void **out_owned);
/* MM_EDATA if the bytes do not have the entry's checksum. */
mm_status mmi_zip_check(const mmi_zip_entry *entry, const unsigned char *data,
                        const char *path);

typedef struct mmi_zip_member {
    char *name;
    uint64_t header, size;
    uint32_t crc;
} mmi_zip_member;

/* Errors stay pending; further calls do nothing. */
typedef struct mmi_zip_writer {
    mmi_file *file;     /* borrowed; new, written from its begin on */
    const char *prefix; /* folder of all members; borrowed */
    uint64_t offset;    /* bytes written */
    MMI_VEC(mmi_zip_member) members;
} mmi_zip_writer;

/* Bytes that a member of `size` takes at most, its directory entry included. */
uint64_t mmi_zip_cost(const mmi_zip_writer *writer, const char *name, uint64_t size);
/* Adds a member whose bytes begin at a multiple of 64. */
void mmi_zip_add(mmi_zip_writer *writer, const char *name, const void *data,
                 uint64_t size);
/* Writes the directory. */
void mmi_zip_finish(mmi_zip_writer *writer);
void mmi_zip_writer_deinit(mmi_zip_writer *writer);

#endif
