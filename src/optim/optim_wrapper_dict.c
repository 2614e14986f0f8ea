/* Several wrappers under names, as MMEngine's OptimWrapperDict: a model's own
 * train_step uses each, the runner saves, loads and logs all of them. */
#include <stdio.h>
#include <string.h>

#include "mmengine/memory.h"
#include "optim/optim_wrapper.h"

mm_optim_wrapper *mm_optim_wrapper_new_dict(void)
{
    mm_optim_wrapper *wrapper = mmi_optim_wrapper_allocate();

    if (wrapper != NULL) {
        wrapper->is_dict = true;
    }
    return wrapper;
}

mm_status mm_optim_wrapper_add(mm_optim_wrapper *dict, const char *name,
                               mm_optim_wrapper *wrapper)
{
    char *copy = NULL;
    mmi_named_wrapper *grown = NULL;

    if (mm_has_error()) {
        goto failed;
    }
    if (dict == NULL || name == NULL || wrapper == NULL || !dict->is_dict) {
        mm_raise(MM_EINVAL, "cannot add optim wrapper '%s': %s",
                 name != NULL ? name : "",
                 wrapper == NULL ? "it is NULL" : "this is no dict of wrappers");
        goto failed;
    }
    if (mm_optim_wrapper_find(dict, name) != NULL) {
        mm_raise(MM_EKEY, "there is an optim wrapper '%s' already", name);
        goto failed;
    }
    copy = mm_strdup(name);
    grown = mm_realloc(dict->children, (dict->num_children + 1) * sizeof *grown);
    if (copy == NULL || grown == NULL) {
        dict->children = grown != NULL ? grown : dict->children;
        mm_free(copy);
        goto failed;
    }
    dict->children = grown;
    dict->children[dict->num_children++] = (mmi_named_wrapper){copy, wrapper};
    wrapper->name = copy;
    return MM_OK;
failed:
    mm_optim_wrapper_unref(wrapper);
    return mm_pending();
}

bool mm_optim_wrapper_is_dict(const mm_optim_wrapper *wrapper)
{
    return wrapper != NULL && wrapper->is_dict;
}

size_t mm_optim_wrapper_num_children(const mm_optim_wrapper *wrapper)
{
    return wrapper != NULL ? wrapper->num_children : 0;
}

mm_optim_wrapper *mm_optim_wrapper_child(const mm_optim_wrapper *wrapper, size_t index)
{
    return index < mm_optim_wrapper_num_children(wrapper)
               ? wrapper->children[index].wrapper
               : NULL;
}

const char *mm_optim_wrapper_child_name(const mm_optim_wrapper *wrapper, size_t index)
{
    return index < mm_optim_wrapper_num_children(wrapper)
               ? wrapper->children[index].name
               : NULL;
}

mm_optim_wrapper *mm_optim_wrapper_find(const mm_optim_wrapper *wrapper,
                                        const char *name)
{
    for (size_t i = 0; name != NULL && i < mm_optim_wrapper_num_children(wrapper);
         i++) {
        if (strcmp(wrapper->children[i].name, name) == 0) {
            return wrapper->children[i].wrapper;
        }
    }
    return NULL;
}

/* Raises that a dict has no wrapper `name`; the hint says what it has. */
static void no_such_wrapper(const mm_optim_wrapper *wrapper, const char *name)
{
    char names[256] = "";

    mm_raise(MM_EKEY,
             "optim_wrapper has no '%s', for which the model's train_step asks", name);
    for (size_t i = 0; i < wrapper->num_children; i++) {
        size_t used = strlen(names);

        (void)snprintf(names + used, sizeof(names) - used, "%s'%s'", i > 0 ? ", " : "",
                       wrapper->children[i].name);
    }
    mm_error_hint("it has %s", wrapper->num_children > 0 ? names : "none at all");
}

mm_optim_wrapper *mm_optim_wrapper_get(const mm_optim_wrapper *wrapper,
                                       const char *name)
{
    mm_optim_wrapper *found = NULL;

    if (mm_has_error()) {
        return NULL;
    }
    if (wrapper == NULL || name == NULL) {
        mm_raise(MM_EINVAL, "getting an optim wrapper by name: the %s is NULL",
                 wrapper == NULL ? "dict" : "name");
        return NULL;
    }
    if (!wrapper->is_dict) {
        mm_raise(
            MM_ESTATE,
            "the model's train_step asks for optim wrapper '%s', but there is only "
            "one for the whole model",
            name);
        mm_error_hint("optim_wrapper=dict(%s=dict(optimizer=...), ...)", name);
        return NULL;
    }
    found = mm_optim_wrapper_find(wrapper, name);
    if (found == NULL) {
        no_such_wrapper(wrapper, name);
    }
    return found;
}
