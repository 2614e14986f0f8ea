/* `--cfg-options`: each line is an option for a config; what comes out can be written
 * and read back. */
#include "fuzz.h"

static const char CONFIG[] =
    "model = dict(type='A', depth=50, stages=(1, 2), heads=[dict(a=1), dict(b=2)])\n"
    "lr = 0.1\nnames = ['a', 'b']\nnone = None\n";

static void check_back(mm_config *config)
{
    char *text = mm_config_dump(mm_config_root(config), MM_CONFIG_SOURCE);

    if (text == NULL) {
        take_error(NULL);
        return;
    }
    mm_config *again = mm_config_from_string(text, ".py");

    if (again == NULL) { /* names like `text` are reserved */
        take_error(strstr(mm_error_peek()->message, "reserved") != NULL
                       ? NULL
                       : "what was written does not parse");
    } else {
        char *one = mm_config_json(mm_config_root(config));
        char *two = mm_config_json(mm_config_root(again));

        take_error("no JSON");
        if (strcmp(one, two) != 0 && strstr(text, "__") == NULL) {
            panic(text, one, two);
        }
        mm_free(one);
        mm_free(two);
    }
    mm_free(text);
    mm_config_unref(again);
}

static bool knows(void *user, const mm_config *config, const char *path)
{
    (void)user;
    (void)config;
    return strlen(path) % 2 == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mm_alloc(size + 1);
    mm_config *config = mm_config_from_string(CONFIG, ".py");

    take_error("the config does not parse");
    if (size > 0) {
        memcpy(text, data, size);
    }
    for (char *line = text; line != NULL;) {
        char *end = strchr(line, '\n');

        if (end != NULL) {
            *end = '\0';
        }
        (void)mm_config_override(config, line, NULL, NULL);
        take_error(NULL);
        (void)mm_config_override(config, line, knows, NULL);
        take_error(NULL);
        (void)mm_config_find(config, line);
        (void)mm_config_get(config, line);
        take_error(NULL);
        line = end == NULL ? NULL : end + 1;
    }
    check_back(config);
    mm_config_unref(config);
    mm_free(text);
    check_nothing_left();
    return 0;
}
