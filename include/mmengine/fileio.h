/** @file
 * Files with content: gzip, and values as JSON, YAML or pickle. Plain files are in
 * file.h.
 *
 * JSON follows Python's json module: NaN and Infinity, ints of any size, 1.0 stays a
 * float, keys keep their order. YAML follows PyYAML, which is YAML 1.1. A pickle is
 * read by a machine of our own that builds data and executes nothing. Source:
 * mmengine/fileio.
 */
#ifndef MMENGINE_FILEIO_H
#define MMENGINE_FILEIO_H

#include "mmengine/value.h"

MM_BEGIN_DECLS

/**
 * Reads a gzip file of one or several members, or any other file as it is. A zero byte
 * stands behind the content. `max_size` bounds the unpacked bytes (0: no bound).
 * Lengths and checksums are verified: a file that is cut off or damaged is MM_EDATA and
 * the message says where. mm_free() the result.
 */
MM_API MM_OWNED void *mm_gz_read(const char *path, size_t max_size, size_t *out_size);
/** Writes bytes as a gzip file, in one step as mm_file_write() does. */
MM_API mm_status mm_gz_write(const char *path, const void *data, size_t size);

/**
 * Removes temporary files of atomic writes that killed processes of this machine left
 * in `folder`. Files of living processes and of other machines stay. Returns how many
 * went. Errors: MM_EIO, MM_ENOENT.
 */
MM_API int64_t mm_file_remove_stale(const char *folder);

/** @name JSON @{ */
/** How JSON is written; zero is json.dumps' default of each. */
typedef struct mm_json_args {
    int indent;      /**< spaces per level; 0: one line, "a": 1, "b": 2 */
    bool sort_keys;  /**< in order of code points */
    bool keep_utf8;  /**< ensure_ascii=False; halves of surrogate pairs are escaped */
    bool refuse_nan; /**< allow_nan=False: NaN and infinities are MM_ENUMERIC */
    bool no_spaces;  /**< separators ',' and ':' */
} mm_json_args;

/**
 * Parses one JSON document; yours. `file` (may be NULL) is named in errors and kept as
 * the source of each dict entry and list item. Errors: MM_EDATA with line and column.
 */
MM_API MM_OWNED mm_value *mm_json_parse(const char *text, size_t size,
                                        const char *file);
/**
 * Parses a document per line, blank lines aside, into a list. A last line without its
 * newline that does not parse is what a killed writer leaves: it is dropped.
 */
MM_API MM_OWNED mm_value *mm_json_parse_lines(const char *text, size_t size,
                                              const char *file);
/**
 * The text of a value, byte for byte as json.dumps; tuples and sets become arrays.
 * `args` may be NULL. mm_free() the result. Errors: MM_ETYPE for bytes, for objects
 * that are no number and for keys JSON cannot hold.
 */
MM_API MM_OWNED char *mm_json_format(const mm_value *value, const mm_json_args *args);
/** @} */

/** @name YAML @{ */
/** How YAML is written; zero is yaml.dump's default of each. */
typedef struct mm_yaml_args {
    bool keep_order; /**< sort_keys=False */
    bool keep_utf8;  /**< allow_unicode=True */
} mm_yaml_args;

/**
 * Parses a text with one document; yours. The dialect is PyYAML's YAML 1.1: `yes` and
 * `off` are booleans, 012 is octal, 1:30 is 90, 1e-3 is text (a float needs a point and
 * a signed exponent), `<<` merges, aliases share their value, the last of equal keys
 * wins. An empty text is None. `!!python/tuple` is a tuple, `!!set` a set, `!!binary`
 * bytes, `!!omap` a list of pairs, `!!python/name:a.b` the text "a.b", a timestamp a
 * date (mm_yaml_find_date()). Tags that make Python run code are refused, and so is a
 * value that contains itself.
 *
 * `file` (may be NULL) is named in errors and kept as the source of each dict entry and
 * list item. Errors: MM_EDATA with line and column.
 */
MM_API MM_OWNED mm_value *mm_yaml_parse(const char *text, size_t size,
                                        const char *file);
/** Parses all documents of a text into a list; yours. */
MM_API MM_OWNED mm_value *mm_yaml_parse_all(const char *text, size_t size,
                                            const char *file);
/**
 * The text of a value in block style, which PyYAML reads as an equal value. Keys are
 * sorted if they can be, as yaml.dump does. A value that stands in several places is
 * written in each. `args` may be NULL. mm_free() the result. Errors: MM_ETYPE for
 * objects that are neither number nor date.
 */
MM_API MM_OWNED char *mm_yaml_format(const mm_value *value, const mm_yaml_args *args);
/** A date ("2020-01-31") or time ("2020-01-31 10:00:00+00:00") of YAML in ISO form,
 * borrowed; NULL if `value` is neither. Equal dates are equal values and may be keys.
 */
MM_API const char *mm_yaml_find_date(const mm_value *value);
/** @} */

/** @name Values in files, by format @{ */
/**
 * Loads a value; yours. `format`: "json", "yaml", "yml", "pickle", "pkl"; NULL: the
 * file's extension.
 * Errors: MM_EINVAL for an unknown format. Source: mmengine.fileio.load.
 */
MM_API MM_OWNED mm_value *mm_fileio_load(const char *path, const char *format);
/** Writes a value with mm_file_write(). Source: mmengine.fileio.dump. */
MM_API mm_status mm_fileio_dump(const mm_value *value, const char *path,
                                const char *format);
/** @} */

/** @name Pickle @{ */
/**
 * Reads a pickle of protocol 0 to 5; yours. What plain values cannot hold (classes,
 * their instances, calls) becomes a *node*: an object value that keeps the class name,
 * arguments and state and is written back unchanged. Errors: MM_EDATA.
 */
MM_API MM_OWNED mm_value *mm_pickle_parse(const void *data, size_t size,
                                          const char *file);
/** Writes protocol 2. The bytes are yours: mm_free(). Errors: MM_ETYPE for objects. */
MM_API MM_OWNED void *mm_pickle_format(const mm_value *value, size_t *out_size);

/** True if the value is a node. */
MM_API bool mm_pickle_is_node(const mm_value *value);
/** "module.Name" of a node's class or function, borrowed; NULL if it is no node. */
MM_API const char *mm_pickle_class(const mm_value *value);
/** Positional arguments, a tuple; NULL if the node is the bare class or function. */
MM_API mm_value *mm_pickle_args(const mm_value *value);
/** The state given to BUILD, often a dict of attributes; NULL if there was none. */
MM_API mm_value *mm_pickle_state(const mm_value *value);
/** Items appended to a list-like instance, a list; NULL if none. */
MM_API mm_value *mm_pickle_items(const mm_value *value);
/** Entries set on a dict-like instance, a dict; NULL if none. */
MM_API mm_value *mm_pickle_entries(const mm_value *value);
/**
 * A NumPy array or scalar inside a pickle as nested lists or a number; yours. NULL
 * without an error if `value` is neither, or of a dtype that is no number.
 */
MM_API MM_OWNED mm_value *mm_pickle_find_numpy(const mm_value *value);
/** @} */

MM_END_DECLS

#endif
