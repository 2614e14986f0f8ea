/* Checkpoint files: whole files in and out, publishing. What a run puts into one is
 * save.c's, how it comes back load.c's and resume.c's. Source:
 * mmengine/runner/checkpoint.py.
 */
#include <string.h>

#include "base/checksum.h"
#include "mmengine/file.h"
#include "mmengine/fileio.h"
#include "mmengine/ops.h"
#include "mmengine/pth.h"
#include "runner/checkpoint_tree.h"
#include "runner/internal.h"
#include "tensor/stored.h"

mm_status mm_checkpoint_save(const char *path, const mm_value *checkpoint)
{
    mm_scope scope = mm_scope_open();

    (void)mm_pth_write(&(mm_pth_write_args){
        .path = path,
        .root = checkpoint,
        .describe = mmi_stored_describe,
    });
    mm_scope_close(scope);
    return mm_pending();
}

mm_value *mm_checkpoint_load(const char *path)
{
    mm_value *checkpoint =
        mm_pth_read(&(mm_pth_read_args){.path = path, .make = mmi_stored_view});

    if (checkpoint != NULL && mm_value_kind(checkpoint) != MM_KIND_DICT)
        (void)mm_raise(MM_EDATA, "checkpoint '%s' holds a %s, not a dict", path,
                       mm_value_type_name(checkpoint));
    if (mm_has_error()) {
        mm_value_unref(checkpoint);
        return NULL;
    }
    return checkpoint;
}

/* The entries of the file that are published. MM_EKEY if there are none of them. */
static mm_value *keep_keys(const mm_value *checkpoint, const mm_strs *keys,
                           const char *path)
{
    mm_value *kept = mm_value_new_dict();

    for (size_t i = 0; i < keys->count && !mm_has_error(); i++) {
        mm_value *value = mm_dict_find(checkpoint, keys->data[i]);

        if (value != NULL)
            mm_dict_put(kept, keys->data[i], value);
    }
    if (!mm_has_error() && mm_value_len(kept) == 0)
        (void)mm_raise(MM_EKEY, "checkpoint '%s' has none of the keys to be published",
                       path);
    return kept;
}

/* "<stem>-<first digits of the file's SHA-256>.pth"; yours. */
static char *published_path(const char *path)
{
    char digest[MMI_SHA256_TEXT_SIZE];
    size_t size = 0;
    char *content = mm_file_read(path, &size);
    size_t stem = strlen(path) - strlen(mm_path_extension(path));

    if (content == NULL)
        return NULL;
    mmi_sha256_text(content, size, digest);
    mm_free(content);
    return mm_strfmt("%.*s-%.8s.pth", (int)stem, path, digest);
}

mm_status mm_checkpoint_publish(const char *path, const mm_strs *keys, char **out_path)
{
    mm_value *root = mmi_tree_read(path);
    mm_value *kept = root == NULL ? NULL : keep_keys(mmi_tree_dict(root), keys, path);
    char *to = mm_has_error() ? NULL : published_path(path);

    if (to != NULL &&
        mm_pth_write(&(mm_pth_write_args){.path = to, .root = kept}) == MM_OK)
        *out_path = to;
    else
        mm_free(to);
    mm_value_unref(kept);
    mm_value_unref(root);
    return mm_pending();
}
