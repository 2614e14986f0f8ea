/* Where a checkpoint is that a config or a command line names: a file of this machine,
 * or something behind a scheme. All schemes stand in one table; one that needs a
 * download has no `fetch` yet. Source: mmengine's CheckpointLoader. */
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "mmengine/pth.h"

struct scheme {
    const char *prefix; /* longer ones before those they begin with */
    const char *what;   /* for messages */
    /* The local path of what stands behind the prefix, yours; NULL: not built. */
    char *(*fetch)(const char *rest);
};

/* "file:///a/b" and "file:a": the path alone. */
static char *fetch_local(const char *rest)
{
    return mm_strdup(rest);
}

static const struct scheme schemes[] = {
    {"file://", "a local file", fetch_local},
    {"https://", "a download", NULL},
    {"http://", "a download", NULL},
    {"torchvision://", "a model of TorchVision", NULL},
    {"modelzoo://", "a model of TorchVision", NULL},
    {"open-mmlab://", "a model of OpenMMLab", NULL},
    {"openmmlab://", "a model of OpenMMLab", NULL},
    {"mmcls://", "a model of MMClassification", NULL},
    {"s3://", "an object of S3", NULL},
    {"petrel://", "an object of Petrel", NULL},
    {"pavi://", "a model of Pavi", NULL},
};

char *mm_pth_locate(const char *name)
{
    if (!MMI_NEED(name)) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        const struct scheme *scheme = &schemes[i];
        size_t size = strlen(scheme->prefix);

        if (strncmp(name, scheme->prefix, size) != 0) {
            continue;
        }
        if (scheme->fetch != NULL) {
            return scheme->fetch(name + size);
        }
        mm_raise(MM_EUNSUPPORTED,
                 "could not open checkpoint '%s': it names %s, and "
                 "only files of this machine are read yet",
                 name, scheme->what);
        mm_error_hint("download the file and give its path instead, with load_from=... "
                      "or in init_cfg");
        return NULL;
    }
    if (strstr(name, "://") != NULL) {
        mm_raise(MM_EINVAL, "could not open checkpoint '%s': '%.*s' is no known scheme",
                 name, (int)(strstr(name, "://") - name), name);
        return NULL;
    }
    return mm_strdup(name);
}
