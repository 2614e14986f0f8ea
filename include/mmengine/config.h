/** @file
 * Configurations: OpenMMLab's config files, read without Python. A loaded config is an
 * ordered dict whose every value remembers the file, line and column it was written at.
 * Source: mmengine/config/config.py.
 */
#ifndef MMENGINE_CONFIG_H
#define MMENGINE_CONFIG_H

#include "mmengine/value.h"

MM_BEGIN_DECLS

/**
 * Bounds that keep a file from hanging or exhausting the host; they hold for a file and
 * its bases together. Zero: the default, which real configs use a hundredth of. What
 * goes beyond is MM_ECONFIG and cannot be caught by the file.
 */
typedef struct mm_config_limits {
    int64_t max_steps; /**< evaluated nodes and items, and 1,000 for each file; default
                          20 million, about two seconds */
    int64_t max_depth; /**< nested evaluations, which take C stack; default, and most:
                            2,500. Calls of functions of a config nest 200 deep */
    int64_t max_bytes; /**< bytes of all values made and files read; default 256 MiB */
} mm_config_limits;

/** How a config is read; zero is the default of each. */
typedef struct mm_config_args {
    mm_config_limits limits;
    bool no_env;        /**< `{{$NAME:default}}` stays as it is */
    bool no_predefined; /**< `{{ fileDirname }}` and its like stay as they are */
} mm_config_args;

/**
 * Reads a file with its bases. Errors: MM_ENOENT, MM_ECONFIG with file:line:column and
 * a frame for each base on the way. `args` may be NULL. The config is yours.
 */
MM_API MM_OWNED mm_config *mm_config_from_file(const char *path,
                                               const mm_config_args *args);
/** The same from text; `format` is ".py", ".json" or ".yaml". Bases are relative to the
 * working folder. */
MM_API MM_OWNED mm_config *mm_config_from_string(const char *text, const char *format);
/** A config of a dict, which is kept. */
MM_API MM_OWNED mm_config *mm_config_from_value(mm_value *root);
MM_API mm_config *mm_config_ref(mm_config *config);
/** NULL is fine. */
MM_API void mm_config_unref(mm_config *config);

/** The dict, borrowed. Changed by overrides until it is frozen. */
MM_API mm_value *mm_config_root(const mm_config *config);
/** Path of the file as given; NULL without a file. Borrowed. */
MM_API const char *mm_config_filename(const mm_config *config);
/** Text of all files that were read, bases first, as MMEngine's `text`. Borrowed. */
MM_API const char *mm_config_text(const mm_config *config);

/** The environment variables that templates used, name to value: a dict, borrowed. NULL
 * for a config made of a dict. */
MM_API mm_value *mm_config_env_variables(const mm_config *config);

/** A value by dotted path: "model.backbone.depth", "param_scheduler.0.gamma". NULL
 * without an error if it is absent. Borrowed. */
MM_API mm_value *mm_config_find(const mm_config *config, const char *dotted_path);
/** Its `default_scope`, or NULL; borrowed. MM_ECONFIG with its place if that is no
 * text. Source: DefaultScope. */
MM_API const char *mm_config_default_scope(const mm_config *config);
/** The same as mm_config_find(); absence is MM_EKEY with the nearest keys. */
MM_API mm_value *mm_config_get(const mm_config *config, const char *dotted_path);

/** Says whether a key that the config does not have is known to the component there. It
 * may raise an error of its own (MM_ECONFIG) where it can say more than "unknown". */
typedef bool (*mm_config_known_key)(void *user, const mm_config *config,
                                    const char *dotted_path);
/**
 * Applies one `--cfg-options` item, "a.b.0.c=value", by DictAction's grammar. A key
 * that is neither in the config nor `known` is MM_ECONFIG with the nearest keys.
 * `known` NULL: any key may be added.
 */
MM_API mm_status mm_config_override(mm_config *config, const char *assignment,
                                    mm_config_known_key known, void *user);
/** Sets a value by dotted path, making dicts on the way. */
MM_API mm_status mm_config_put(mm_config *config, const char *dotted_path,
                               mm_value *value);
/** Config.merge_from_dict: dotted keys, `_delete_`, list indices. */
MM_API mm_status mm_config_merge(mm_config *config, const mm_value *options);

/** How a config is written; zero is the default of each. */
typedef enum mm_config_order {
    MM_CONFIG_SORTED, /**< keys sorted at every level, as MMEngine dumps them */
    MM_CONFIG_SOURCE  /**< keys in the order of the source */
} mm_config_order;
/**
 * Text of a dict in a format, "py", "json" or "yaml" (a leading dot is fine), that
 * reads back as an equal config where the format can hold it: JSON has no tuples, sets,
 * bytes and keys that are no text. Ranges become lists there and in YAML, functions and
 * classes their description. JSON is one line, as MMEngine writes it, and never sorted.
 * mm_free(). Errors: MM_EINVAL for an unknown format, MM_ETYPE for a value the format
 * cannot hold.
 */
MM_API MM_OWNED char *mm_config_format(const mm_value *dict, const char *format,
                                       mm_config_order order);
/** Config.dump: writes a file whose extension says the format, keys sorted (JSON: in
 * the order of the source). Errors: MM_EINVAL, MM_EIO. */
MM_API mm_status mm_config_save(const mm_config *config, const char *path);
/** Python text that reads back as an equal config, keys sorted: MMEngine's pretty_text;
 * mm_free(). */
MM_API MM_OWNED char *mm_config_pretty_text(const mm_config *config);
/** The same of any dict in a chosen order; mm_free(). */
MM_API MM_OWNED char *mm_config_dump(const mm_value *dict, mm_config_order order);
/**
 * JSON of a config's value for other programs, keys in the order of the source;
 * mm_free(). What JSON has not is an object with one marked key: {"__tuple__": [...]},
 * "__set__", "__bytes__" (hexadecimal), "__range__": [start, stop, step], "__dict__":
 * [[key, value], ...] for keys that are no text, "__opaque__" for functions and
 * classes.
 */
MM_API MM_OWNED char *mm_config_json(const mm_value *value);

/** @name Where values come from, what changed
 * Both give a list of dicts, one for each value that is no dict: `path` is dotted
 * (items of lists by their index), values are texts of Python. A list without dicts
 * inside is one value. Places are "file:line:column", absent where they are not known.
 * @{ */
/** `path`, `value`, `source` of every value, in the order of the source. Yours. */
MM_API MM_OWNED mm_value *mm_config_origins(const mm_value *root);
/**
 * What stands in `from` and `to` and is not equal (types count: 1 is not 1.0 and not
 * True): `path`; `old` and `old_source` unless it was added; `new` and `new_source`
 * unless it was removed. Empty: they are equal but for the order of keys. Yours.
 */
MM_API MM_OWNED mm_value *mm_config_diff(const mm_value *from, const mm_value *to);
/** @} */

MM_END_DECLS

#endif
