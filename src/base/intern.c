/*
 * Interned names, one copy each for as long as the process lives. The table is
 * reachable at exit, so leak checkers do not report it; it is not counted as live
 * blocks, since tests compare those counts.
 */
#include <stdlib.h>
#include <string.h>

#include "base/index.h"
#include "base/os_thread.h"
#include "mmengine/value.h"

enum { NUM_CHAINS = 256 };

struct name {
    struct name *next;
    uint64_t hash;
    char text[];
};

static mmi_mutex mutex = MMI_MUTEX_INIT;
static struct name *chains[NUM_CHAINS];

const char *mm_intern(const char *text)
{
    if (!MMI_NEED(text)) {
        return NULL;
    }
    size_t size = strlen(text);
    uint64_t hash = mmi_hash_bytes(text, size);
    struct name **chain = &chains[hash % NUM_CHAINS];

    mmi_mutex_lock(&mutex);
    struct name *name = *chain;
    while (name != NULL && (name->hash != hash || strcmp(name->text, text) != 0)) {
        name = name->next;
    }
    if (name == NULL && !mmi_fault() &&
        (name = malloc(sizeof *name + size + 1)) != NULL) {
        name->hash = hash;
        memcpy(name->text, text, size + 1);
        name->next = *chain;
        *chain = name;
    }
    mmi_mutex_unlock(&mutex);
    if (name == NULL) {
        mm_raise(MM_ENOMEM, "could not intern '%s'", text);
        return NULL;
    }
    return name->text;
}
