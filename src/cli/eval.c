/* `eval`: the config's test evaluator over predictions that were kept in a file. No
 * model is built; the dataset is, for what it knows of classes, unless it is told not
 * to. Source: Evaluator.offline_evaluate. */
#include <stdio.h>
#include <string.h>

#include "cli/setup.h"
#include "cli/verbs.h"
#include "mmengine/mmengine.h"

/* The first of two sections that the config has; NULL if it has neither. */
static const char *find_section(const mm_config *config, const char *first,
                                const char *second)
{
    if (!mm_value_is_none(mm_config_find(config, first))) {
        return first;
    }
    return mm_value_is_none(mm_config_find(config, second)) ? NULL : second;
}

/* Gives the evaluator what the dataset says about itself. Without the data at hand that
 * is what the config says. */
static mm_status set_meta(mm_evaluator *evaluator, const mm_config *config)
{
    const char *section =
        find_section(config, "test_dataloader.dataset", "val_dataloader.dataset");

    if (section == NULL) {
        return mm_pending();
    }
    mm_value *config_value = mm_config_find(config, section);
    mm_dataset *dataset =
        mm_dataset_build(config_value, mm_config_default_scope(config), section);
    mm_value *given = mm_value_kind(config_value) == MM_KIND_DICT
                          ? mm_dict_find(config_value, "metainfo")
                          : NULL;

    if (dataset != NULL) {
        (void)mm_evaluator_set_meta(evaluator, mm_dataset_metainfo(dataset));
        mm_dataset_unref(dataset);
        return mm_pending();
    }
    if (mm_pending() == MM_ECONFIG) {
        return mm_pending();
    }
    const mm_error *error = mm_error_peek();

    (void)fprintf(stderr, "%s cannot be opened (%s): its metainfo is not known%s\n",
                  section, error == NULL ? "?" : error->message,
                  given == NULL ? "" : " but for the config's");
    (void)mm_error_take(NULL);
    return given == NULL ? MM_OK : mm_evaluator_set_meta(evaluator, given);
}

/* Name and number on a line each; what is no number stands below its name. */
static void print_metrics(const mm_value *metrics)
{
    for (size_t i = 0; i < mm_value_len(metrics); i++) {
        const mm_value *value = mm_dict_at(metrics, i);
        mm_kind kind = mm_value_kind(value);
        bool is_number =
            kind == MM_KIND_F64 || kind == MM_KIND_I64 || kind == MM_KIND_BOOL;
        char *text = mm_value_repr(value);

        (void)printf("%s:%s%s\n", mm_dict_name_at(metrics, i), is_number ? " " : "\n",
                     text == NULL ? "?" : text);
        mm_free(text);
    }
}

/* Tensors as nested lists, for JSON; yours. */
static mm_value *jsonable(const mm_value *metrics)
{
    mm_value *out = mm_value_new_dict();

    for (size_t i = 0; out != NULL && i < mm_value_len(metrics) && !mm_has_error();
         i++) {
        mm_value *value = mm_dict_at(metrics, i);
        mm_tensor *tensor = mm_value_find_tensor(value);

        mm_dict_take(out, mm_dict_name_at(metrics, i),
                     tensor == NULL ? mm_value_ref(value) : mm_tensor_to_list(tensor));
    }
    return out;
}

static mm_status write_json(const mm_value *metrics, const char *path)
{
    mm_value *plain = jsonable(metrics);
    char *text = plain == NULL ? NULL : mm_json_format(plain, NULL);

    if (text != NULL) {
        (void)!mm_file_write(path, text, strlen(text));
    }
    mm_free(text);
    mm_value_unref(plain);
    return mm_pending();
}

static mm_status evaluate(const mm_config *config, const struct cli_args *args)
{
    const char *section = find_section(config, "test_evaluator", "val_evaluator");
    int64_t chunk_size = 1;

    if (section == NULL) {
        return mm_raise(MM_ECONFIG, "the config has neither test_evaluator nor "
                                    "val_evaluator");
    }
    if (cli_number(args, "chunk-size", &chunk_size) != MM_OK) {
        return mm_pending();
    }
    mm_evaluator *evaluator = mm_evaluator_build(
        mm_config_find(config, section), mm_config_default_scope(config), section);
    mm_value *predictions = NULL;
    mm_value *metrics = NULL;

    if (evaluator != NULL && !cli_is_given(args, "no-dataset")) {
        (void)set_meta(evaluator, config);
    }
    if (evaluator != NULL) {
        predictions = mm_predictions_load(cli_text(args, "PREDICTIONS"));
    }
    if (predictions != NULL) {
        metrics = mm_evaluator_offline(evaluator, predictions, NULL, chunk_size);
    }
    if (metrics != NULL && cli_text(args, "out") != NULL) {
        (void)write_json(metrics, cli_text(args, "out"));
    }
    if (metrics != NULL && !mm_has_error()) {
        print_metrics(metrics);
    }
    mm_value_unref(metrics);
    mm_value_unref(predictions);
    mm_evaluator_free(evaluator);
    return mm_pending();
}

int cli_eval(const struct cli_args *args)
{
    int code = cli_register();

    if (code != CLI_DONE || mm_torch_open_ahead() != MM_OK) {
        return code != CLI_DONE ? code : cli_report();
    }
    mm_config *config = cli_load_config(args);

    if (config == NULL || cli_apply_plugins(config) != MM_OK) {
        code = cli_report_config();
    } else if (evaluate(config, args) != MM_OK) {
        code = cli_report();
    }
    mm_config_unref(config);
    return cli_finish(code);
}
