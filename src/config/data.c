/* YAML and JSON as configs: the parsers of fileio, told where things stood before the
 * templates were replaced. `!!python/object/apply:eval ["..."]`, which Detectron2's
 * files have, is evaluated like an expression of a Python config: with no names but the
 * built-in ones. */
#include "config/data.h"

#include <stdio.h>
#include <string.h>

#include "config/util.h"
#include "fileio/yaml.h"
#include "mmengine/memory.h"

/* What the parser's questions need. */
struct asker {
    mmi_eval *ev;
    const mmi_text *text;
};

static void find_place(const void *user, size_t offset, int32_t *out_line,
                       int32_t *out_column)
{
    const struct asker *asker = user;

    mmi_text_place(asker->text, offset, out_line, out_column);
}

/* The value of a text that is one expression. */
static mm_value *evaluate(mmi_eval *ev, mmi_module *module)
{
    const mmi_nodes *body = &module->ast.body;

    if (mmi_parse(&module->text, &module->ast) != MM_OK) {
        return NULL;
    }
    if (body->count != 1 || body->at[0]->kind != NODE_EXPRESSION) {
        (void)mm_raise(MM_ECONFIG, "eval takes one expression");
        return NULL;
    }
    module->globals = mm_value_new_dict();
    ev->module = module;
    return mm_has_error() ? NULL : mmi_evaluate(ev, body->at[0]->u.operand);
}

static mm_value *eval_text(const void *user, const char *expression, size_t size)
{
    const struct asker *asker = user;
    mmi_eval *ev = asker->ev;
    mmi_module *outer = ev->module;
    mmi_module *module = mm_alloc(sizeof(*module));
    mm_value *value = NULL;

    if (module == NULL) {
        return NULL;
    }
    module->next = ev->modules;
    ev->modules = module;
    if (mmi_text_set(&module->text, expression, size, NULL, "<eval>") == MM_OK) {
        value = evaluate(ev, module);
    }
    ev->module = outer;
    return value;
}

static void refuse(const mm_source *place, const char *message)
{
    (void)mm_raise(MM_ECONFIG, "%s", message);
    (void)mm_error_locate(place);
}

/* A config is a dict whose keys are names. */
static void check(const mmi_text *text, const mm_value *data)
{
    mm_source place = {.file = text->file, .line = 1, .column = 1};

    if (mm_value_kind(data) != MM_KIND_DICT) {
        char message[120];

        (void)snprintf(message, sizeof(message),
                       "the top value of a config must be a dict, not %s",
                       mm_value_is_none(data) ? "empty" : mm_value_type_name(data));
        refuse(&place, message);
        return;
    }
    for (size_t i = 0; i < mm_value_len(data); i++) {
        if (mm_value_kind(mm_dict_key_at(data, i)) != MM_KIND_STR) {
            place = mmi_dict_source_of(data, i);
            refuse(&place, "a key at the top of a config must be text");
            return;
        }
    }
}

/* A file that cannot be parsed is a config that is wrong. */
static void make_config_error(void)
{
    mm_error error;

    if (mm_pending() == MM_EDATA) {
        (void)mm_error_take(&error);
        error.code = MM_ECONFIG;
        (void)mm_error_restore(&error);
    }
}

mm_value *mmi_read_data(mmi_eval *ev, const mmi_text *text, bool is_json)
{
    struct asker asker = {ev, text};
    mmi_doc_input input = {.file = text->file, .user = &asker, .eval = eval_text};
    mm_value *data = NULL;

    if (text->num_edits > 0) {
        input.place = find_place;
    }
    data = is_json ? mmi_json_read(text->data, text->size, &input)
                   : mmi_yaml_read(text->data, text->size, &input);
    if (data != NULL) {
        check(text, data);
    }
    make_config_error();
    if (mm_has_error()) {
        mm_value_unref(data);
        return NULL;
    }
    return data;
}
