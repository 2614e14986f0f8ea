/** @file
 * Validation before building: every component and option of a config is checked against
 * the tables of components, all at once. Three outcomes for a `type`: it is built here
 * and its options are checked; a public OpenMMLab library is known to have it, but it
 * is not built here; nobody has it. Nothing is built, no plugin loaded, no tensor
 * library opened.
 */
#ifndef MMENGINE_LINT_H
#define MMENGINE_LINT_H

#include "mmengine/config.h"

MM_BEGIN_DECLS

/** What was found at a place. */
typedef enum mm_finding_kind {
    MM_FINDING_FAULT,   /**< an option, a value or a section is wrong */
    MM_FINDING_UNKNOWN, /**< no library has a component of that name */
    MM_FINDING_UNBUILT, /**< another library has it, it is not built here */
    MM_FINDING_IMPORT   /**< from a plugin or a Python package; not checked */
} mm_finding_kind;

/** One finding. Texts are borrowed for the call that gets it. */
typedef struct mm_finding {
    mm_finding_kind kind;
    bool is_needed;      /**< the run builds what stands there */
    mm_source source;    /**< `file` NULL: not known */
    const char *path;    /**< key path: "model.backbone.type" */
    const char *type;    /**< the component's name; "" for a fault */
    const char *library; /**< package of what is not built: "mmdet"; else "" */
    const char *message; /**< begins with the key path */
    const char *hint;    /**< what to do, or "" */
} mm_finding;

/** What a config is checked for. */
enum {
    MM_LINT_TRAIN = 1u << 0, /**< a training run: its test sections are not needed */
    MM_LINT_TEST = 1u << 1,  /**< a test run: its training and val sections are not */
    MM_LINT_STRICT = 1u << 2 /**< sections that must come together are missed */
};

/** What to check and who hears of it. */
typedef struct mm_lint_args {
    mm_config *config; /**< required */
    /** required: called for each finding, in the order of the runner's sections; a
     * place is reported once */
    void (*visit)(void *user, const mm_finding *finding);
    void *user;
    unsigned flags;   /**< 0: all sections are needed, sections may be missing */
    bool has_plugins; /**< the config's plugins are loaded: unknown is unknown */
} mm_lint_args;

/**
 * Checks a config. `out_num_checked` (may be NULL) gets the number of components whose
 * names were found here. Findings are no error of this call. Errors: MM_ENOMEM,
 * MM_EINVAL.
 */
MM_API mm_status mm_config_lint(const mm_lint_args *args, size_t *out_num_checked);

MM_END_DECLS

#endif
