/* The tags of YAML that PyYAML has constructors for. */
#include <string.h>

#include "fileio/yaml_reader.h"

/* ---- tags ---- */

static const char TAG_PREFIX[] = "tag:yaml.org,2002:";

static mmi_yaml_tag tag_named(const char *name)
{
    static const struct {
        const char *name;
        mmi_yaml_tag tag;
    } table[] = {
        {"str", MMI_YAML_STR},
        {"null", MMI_YAML_NULL},
        {"bool", MMI_YAML_BOOL},
        {"int", MMI_YAML_INT},
        {"float", MMI_YAML_FLOAT},
        {"timestamp", MMI_YAML_TIMESTAMP},
        {"binary", MMI_YAML_BINARY},
        {"merge", MMI_YAML_MERGE},
        {"value", MMI_YAML_VALUE},
        {"seq", MMI_YAML_SEQ},
        {"map", MMI_YAML_MAP},
        {"set", MMI_YAML_SET},
        {"omap", MMI_YAML_PAIRS},
        {"pairs", MMI_YAML_PAIRS},
        {"python/none", MMI_YAML_NULL},
        {"python/bool", MMI_YAML_BOOL},
        {"python/str", MMI_YAML_STR},
        {"python/unicode", MMI_YAML_STR},
        {"python/bytes", MMI_YAML_BINARY},
        {"python/int", MMI_YAML_INT},
        {"python/long", MMI_YAML_INT},
        {"python/float", MMI_YAML_FLOAT},
        {"python/list", MMI_YAML_SEQ},
        {"python/tuple", MMI_YAML_TUPLE},
        {"python/dict", MMI_YAML_MAP},
        {"python/object/apply:collections.OrderedDict", MMI_YAML_ORDERED},
        {"python/object/apply:eval", MMI_YAML_EVAL},
        {"python/object/apply:builtins.eval", MMI_YAML_EVAL},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(table[i].name, name) == 0) {
            return table[i].tag;
        }
    }
    return strncmp(name, "python/name:", 12) == 0 && name[12] != '\0'
               ? MMI_YAML_NAME
               : MMI_YAML_UNKNOWN;
}

mmi_yaml_tag mmi_yaml_tag_of(const yaml_char_t *written, mmi_yaml_tag none)
{
    const char *tag = (const char *)written;

    if (tag == NULL || strcmp(tag, "!") == 0) {
        return none;
    }
    return strncmp(tag, TAG_PREFIX, strlen(TAG_PREFIX)) == 0
               ? tag_named(tag + strlen(TAG_PREFIX))
               : MMI_YAML_UNKNOWN;
}

void *mmi_yaml_refuse_tag(struct mmi_yaml_reader *reader, const yaml_char_t *written,
                          const yaml_mark_t *mark)
{
    static const char python[] = "tag:yaml.org,2002:python/";
    const char *tag = (const char *)written;

    if (strncmp(tag, python, strlen(python)) == 0) {
        (void)mmi_yaml_fail(reader, mark, "the tag '!!python/%.100s' has no data form",
                            tag + strlen(python));
        (void)mm_error_hint("a YAML file is read as data; nothing in it is run");
    } else if (strncmp(tag, TAG_PREFIX, strlen(TAG_PREFIX)) == 0) {
        (void)mmi_yaml_fail(reader, mark, "unknown tag '!!%.100s'",
                            tag + strlen(TAG_PREFIX));
    } else {
        (void)mmi_yaml_fail(reader, mark, "unknown tag '%.100s'", tag);
    }
    return NULL;
}
