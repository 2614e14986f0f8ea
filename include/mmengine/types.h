/** @file
 * Names of the public types, so that a header can mention a type without including the
 * header that describes it. Each name is declared here and nowhere else.
 */
#ifndef MMENGINE_TYPES_H
#define MMENGINE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmengine/export.h"

/* base */
typedef struct mm_error mm_error;           /**< what went wrong; see status.h */
typedef struct mm_source mm_source;         /**< a place in a text file; see value.h */
typedef struct mm_value mm_value;           /**< counted, typed data; see value.h */
typedef struct mm_object_ops mm_object_ops; /**< behaviour of an object value */
typedef struct mm_parallel mm_parallel;     /**< a way to run a loop on threads */

/* config, registry */
typedef struct mm_config mm_config;       /**< a loaded configuration; see config.h */
typedef struct mm_component mm_component; /**< describes a registrable thing */
typedef struct mm_option mm_option;       /**< one row of an option table */
typedef struct mm_choice mm_choice;       /**< one allowed word of a choice option */
typedef struct mm_interface mm_interface; /**< what a component can be used as */
typedef struct mm_instance mm_instance;   /**< a component that was built */

/* tensors */
typedef struct mm_tensor mm_tensor; /**< a libtorch tensor; see tensor.h */
typedef struct mm_arg mm_arg;       /**< an argument of a boxed operator call */
typedef struct mm_rng mm_rng;       /**< a libtorch random generator; see rng.h */

/* data */
typedef struct mm_data_element
    mm_data_element;                  /**< annotations or predictions of a sample */
typedef struct mm_sample mm_sample;   /**< one item on its way through transforms */
typedef struct mm_dataset mm_dataset; /**< a built dataset with its pipeline */
typedef struct mm_loader mm_loader;   /**< batches of a dataset; see loader.h */
typedef struct mm_dataset_ops mm_dataset_ops;
typedef struct mm_transform_ops mm_transform_ops;
typedef struct mm_sampler_ops mm_sampler_ops;
typedef struct mm_collate_ops mm_collate_ops;

/* models */
typedef struct mm_module mm_module; /**< parameters, buffers, children, forward */
typedef struct mm_module_ops mm_module_ops;
typedef struct mm_model_ops mm_model_ops;
typedef struct mm_preprocessor_ops mm_preprocessor_ops;

/* optimisation */
typedef struct mm_param_groups mm_param_groups; /**< parameters and their options */
typedef struct mm_optimizer mm_optimizer; /**< parameter groups, state, update rule */
typedef struct mm_optimizer_ops mm_optimizer_ops;
typedef struct mm_optim_wrapper mm_optim_wrapper; /**< accumulation, clipping, AMP */
typedef struct mm_param_scheduler mm_param_scheduler;
typedef struct mm_param_scheduler_ops mm_param_scheduler_ops;

/* evaluation, logging, pictures */
typedef struct mm_evaluator mm_evaluator;
typedef struct mm_metric mm_metric;
typedef struct mm_metric_ops mm_metric_ops;
typedef struct mm_logger mm_logger;
typedef struct mm_hub mm_hub;         /**< MMEngine's MessageHub */
typedef struct mm_history mm_history; /**< MMEngine's HistoryBuffer */
typedef struct mm_visualizer mm_visualizer;
typedef struct mm_vis_backend_ops mm_vis_backend_ops;

/* running */
typedef struct mm_runner mm_runner;
typedef struct mm_hook_ops mm_hook_ops;

#endif
