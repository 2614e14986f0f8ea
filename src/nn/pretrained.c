/* Weights from a file, for init_cfg=dict(type='Pretrained'): a .pth of torch.save,
 * whole or the part under a prefix. As MMEngine does it, what does not fit is left out
 * and logged. */
#include "nn/layer.h"

#include <string.h>

#include "mmengine/log.h"
#include "mmengine/memory.h"
#include "mmengine/pth.h"
#include "tensor/stored.h"

/* The weights of a checkpoint: under "state_dict", "model", or the dict itself. */
static const mm_value *weights_of(const mm_value *checkpoint)
{
    static const char *const keys[] = {"state_dict", "model"};

    for (size_t i = 0; i < 2; i++) {
        const mm_value *inner = mm_value_kind(checkpoint) == MM_KIND_DICT
                                    ? mm_dict_find(checkpoint, keys[i])
                                    : NULL;

        if (mm_value_kind(inner) == MM_KIND_DICT) {
            return inner;
        }
    }
    return checkpoint;
}

/* The entries whose names begin with `prefix`, without it, and without the "module." of
 * a wrapped model. */
static mm_value *select_weights(const mm_value *weights, const char *prefix)
{
    mm_value *out = mm_value_new_dict();
    size_t skip = prefix != NULL ? strlen(prefix) : 0;

    if (skip > 0 && prefix[skip - 1] != '.') {
        skip++; /* MMEngine takes 'backbone' as 'backbone.' */
    }
    for (size_t i = 0; i < mm_value_len(weights) && !mm_has_error(); i++) {
        const char *name = mm_dict_name_at(weights, i);

        if (name == NULL || mm_value_find_tensor(mm_dict_at(weights, i)) == NULL) {
            continue;
        }
        if (strncmp(name, "module.", 7) == 0) {
            name += 7;
        }
        if (skip > 0 &&
            (strlen(name) <= skip || strncmp(name, prefix, strlen(prefix)) != 0 ||
             name[skip - 1] != '.')) {
            continue;
        }
        mm_dict_put(out, name + skip, mm_dict_at(weights, i));
    }
    return out;
}

static void log_names(const char *what, const mm_value *names)
{
    mmi_str text = {0};

    for (size_t i = 0; i < mm_value_len(names); i++) {
        const mm_value *item = mm_list_get(names, i);

        if (mm_value_kind(item) == MM_KIND_TUPLE) {
            item = mm_list_get(item, 0);
        }
        mmi_str_add(&text, i > 0 ? ", " : "");
        mmi_str_add(&text, mm_value_str(item));
    }
    if (text.size > 0) {
        mm_log(MM_LOG_WARN,
               "The model and loaded state dict do not match exactly\n\n%s: %s\n", what,
               text.data);
    }
    mmi_str_deinit(&text);
}

mm_status mmi_load_pretrained(mm_module *module, const char *path, const char *prefix)
{
    mm_load_report report = {0};

    char *local = mm_pth_locate(path);

    if (local == NULL) {
        return mm_pending();
    }
    mm_value *checkpoint =
        mm_pth_read(&(const mm_pth_read_args){.path = local, .make = mmi_stored_view});
    mm_free(local);
    const mm_value *weights = checkpoint != NULL ? weights_of(checkpoint) : NULL;

    if (weights != NULL && mm_value_kind(weights) != MM_KIND_DICT) {
        mm_raise(MM_EDATA, "could not load weights from '%s': it holds %s, not a dict",
                 path, mm_value_type_name(weights));
    }
    mm_value *selected = !mm_has_error() ? select_weights(weights, prefix) : NULL;

    if (!mm_has_error() && mm_value_len(selected) == 0) {
        mm_raise(MM_EDATA, "'%s' has no weights%s%s%s", path,
                 prefix != NULL ? " under '" : "", prefix != NULL ? prefix : "",
                 prefix != NULL ? "'" : "");
    }
    if (!mm_has_error() &&
        mm_module_load_state_dict(module, selected, false, &report) == MM_OK) {
        log_names("unexpected key in source state_dict", report.unexpected);
        log_names("missing keys in source state_dict", report.missing);
        log_names("size mismatch for", report.mismatched);
    }
    mm_load_report_deinit(&report);
    mm_value_unref(selected);
    mm_value_unref(checkpoint);
    return mm_pending();
}
