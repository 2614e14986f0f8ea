/** @file
 * The visualizer: where scalars, pictures and the config of a run go. It hands each to
 * its backends; LocalVisBackend writes files. Source: mmengine/visualization.
 */
#ifndef MMENGINE_VISUALIZER_H
#define MMENGINE_VISUALIZER_H

#include "mmengine/canvas.h"
#include "mmengine/component.h"

MM_BEGIN_DECLS

/** The functions of a backend. Calls come from one thread, on rank 0 only. */
struct mm_vis_backend_ops {
    /** optional: called once, before the first other call; `dir` is where it writes,
     * not made yet */
    mm_status (*open)(void *self, const char *dir);
    /** optional: the final config as text that can be loaded again */
    mm_status (*add_config)(void *self, const mm_config *config);
    mm_status (*add_image)(void *self, const char *name, const mm_image *image,
                           int64_t step); /**< optional */
    mm_status (*add_scalar)(void *self, const char *name, double value,
                            int64_t step); /**< optional */
    /** optional: `scalars` holds numbers by name; `file_name` (may be NULL) is a second
     * file to write to, relative to the backend's folder */
    mm_status (*add_scalars)(void *self, const mm_value *scalars, int64_t step,
                             const char *file_name);
    mm_status (*close)(void *self); /**< optional: all that was added is on the disk */
};

/** First member of every backend's struct; see mm_vis_backend_option_table. */
typedef struct mm_vis_backend_options {
    const char *name; /**< tells backends of one type apart; NULL: the type's name */
    const char *save_dir; /**< NULL: the visualizer's `<save_dir>/vis_data` */
} mm_vis_backend_options;

/** Rows for MM_OPT_INHERIT. */
MM_API extern const mm_option mm_vis_backend_option_table[];

/** What to draw of one sample. */
typedef struct mm_datasample_args {
    const char *name;        /**< required: names the picture */
    const mm_image *image;   /**< required */
    const mm_value *sample;  /**< fields as predict gives them; NULL: none */
    bool hide_gt, hide_pred; /**< leave out what is known, what was predicted */
    int64_t step;
    const char *out_file; /**< writes this PNG instead of going to the backends */
} mm_datasample_args;

/** The functions of a visualizer; the struct of its component begins with
 * mm_visualizer_options. */
typedef struct mm_visualizer_ops {
    /** optional, default: the picture as it is goes to mm_visualizer_add_image() */
    mm_status (*add_datasample)(void *self, mm_visualizer *visualizer,
                                const mm_datasample_args *args);
} mm_visualizer_ops;

/** First member of every visualizer's struct; see mm_visualizer_option_table. */
typedef struct mm_visualizer_options {
    const char *name;
    mm_value *image;
    mm_instances vis_backends;
    const char *save_dir;
    mm_value *fig_save_cfg;
    mm_value *fig_show_cfg;
} mm_visualizer_options;

/** Rows for MM_OPT_INHERIT. */
MM_API extern const mm_option mm_visualizer_option_table[];

/** What mm_visualizer_new() needs; zero is the default of each but `save_dir`. */
typedef struct mm_visualizer_args {
    mm_value *config;     /**< a dict with `type`; NULL: a Visualizer with no backend */
    const char *scope;    /**< default scope of `type` */
    const char *save_dir; /**< used where the config has none */
    const char *path;     /**< key path for messages; default "visualizer" */
    int rank;             /**< ranks other than 0 write nothing */
} mm_visualizer_args;

/** Builds a visualizer and its backends; nothing is written yet. Yours. */
MM_API MM_OWNED mm_visualizer *mm_visualizer_new(const mm_visualizer_args *args);
/** Closes the backends and returns what that came to. */
MM_API mm_status mm_visualizer_close(mm_visualizer *visualizer);
/** Closes and frees. NULL is fine. Works while an error is pending. */
MM_API void mm_visualizer_free(mm_visualizer *visualizer);
/** Its component. */
MM_API mm_instance *mm_visualizer_instance(const mm_visualizer *visualizer);

/** The backend of that name, NULL without an error if there is none. */
MM_API mm_instance *mm_visualizer_find_backend(const mm_visualizer *visualizer,
                                               const char *name);

/** The dataset's metainfo (`classes`), for labels; gains a reference; may be NULL. */
MM_API void mm_visualizer_set_dataset_meta(mm_visualizer *visualizer, mm_value *meta);
/** The same, borrowed; NULL if there is none. */
MM_API mm_value *mm_visualizer_dataset_meta(const mm_visualizer *visualizer);

/** @name Adding: each goes to every backend @{ */
MM_API mm_status mm_visualizer_add_config(mm_visualizer *visualizer,
                                          const mm_config *config);
MM_API mm_status mm_visualizer_add_image(mm_visualizer *visualizer, const char *name,
                                         const mm_image *image, int64_t step);
MM_API mm_status mm_visualizer_add_scalar(mm_visualizer *visualizer, const char *name,
                                          double value, int64_t step);
/** `scalars` is a dict of numbers by name; "step" is added if it has none. */
MM_API mm_status mm_visualizer_add_scalars(mm_visualizer *visualizer,
                                           const mm_value *scalars, int64_t step,
                                           const char *file_name);
MM_API mm_status mm_visualizer_add_datasample(mm_visualizer *visualizer,
                                              const mm_datasample_args *args);
/** @} */

MM_END_DECLS

#endif
