/* Checking a config for all its faults at once. While an audit is on, mm_build_check()
 * on this thread reports each fault and goes on instead of raising the first. It also
 * looks into what is no option of its own: values that are kept as they stand, and the
 * options of components that are not built here. */
#ifndef REGISTRY_AUDIT_H
#define REGISTRY_AUDIT_H

#include "mmengine/component.h"

/* What was found. */
enum mmi_finding_kind {
    MMI_FINDING_FAULT,   /* an option, value or place is wrong */
    MMI_FINDING_UNKNOWN, /* no library has a component of that name */
    MMI_FINDING_UNBUILT, /* another library has it, it is not built here */
    MMI_FINDING_IMPORT   /* comes from a plugin or a package that is not known */
};

/* Texts are borrowed during the report. */
struct mmi_finding {
    enum mmi_finding_kind kind;
    const mm_source *source; /* NULL: not known */
    const char *path;        /* key path: "model.backbone.type" */
    const char *type;        /* the component, "" for faults */
    const char *library;     /* of an unbuilt one: "mmdet", else "" */
    const char *message;     /* with the key path, without the place */
    const char *hint;        /* or "" */
};

struct mmi_audit {
    void (*report)(void *user, const struct mmi_finding *finding);
    void *user;
    /* Components that no table has may come from what the config imports. */
    bool has_imports;
    /* A file for others to build on: what is missing or None may come from them, and
     * its scope is a guess, so that a name of another scope is no mistake. */
    bool is_fragment;
    /* Optimizers may have options that their constructor takes out. */
    bool has_own_constructor;
    int foreign_depth;  /* inside a component whose parts are another library's */
    size_t num_built;   /* components whose options were checked */
    size_t num_visited; /* values looked at: a bound for lists that hold themselves */
};

/* Puts an audit in force on this thread, NULL: none; returns the former. */
struct mmi_audit *mmi_audit_set(struct mmi_audit *audit);
bool mmi_audit_is_on(void);

/* Ends raising a fault: locates the pending error, or reports it and clears it.
 * Errors that are no fault of the config stay pending. */
mm_status mmi_report_fault(const mm_source *source, const char *path);

/* True if the audit passes over an option that a component's table does not have. */
bool mmi_audit_skips_unknown(const mm_component *component);
/* True if it passes over a value that is missing or None, of a file for others. */
bool mmi_audit_skips_missing(void);
/* Reports the pending error, whatever it is, but for want of memory. */
mm_status mmi_audit_take(const mm_source *source, const char *path);
/* Looks for the component that a string names: `constructor='...'`. */
void mmi_audit_name(const mm_build_args *args, const mm_source *source);
/* True if a component is built here or known. */
bool mmi_audit_has(const char *registry, const char *scope, const char *type);
/* True if a library or a component has such a scope. */
bool mmi_audit_knows_scope(const char *scope);

/* Hints at scopes of nearly that name. */
mm_status mmi_audit_hint_scope(const char *scope);
/* The scope that knows most of the types in a config that names none; NULL: none does.
 * Static storage. */
const char *mmi_audit_guess_scope(const mm_value *root);

/* The audit's mm_build_check(). */
void mmi_audit_build(const mm_build_args *args);
/* Looks for components in a value of unknown meaning. */
void mmi_audit_any(mm_value *value, const char *path, const char *scope);

#endif
