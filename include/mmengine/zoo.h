/** @file
 * The zoo: concrete models, datasets, transforms and metrics under the names and
 * options of the libraries they come from. A library of its own (libmmengine_zoo) on
 * public headers only; the program registers its table at start.
 */
#ifndef MMENGINE_ZOO_H
#define MMENGINE_ZOO_H

#include "mmengine/component.h"

MM_BEGIN_DECLS

/** Every component of the zoo, for mm_register(); ends with NULL. */
MM_API extern const mm_component *const mm_zoo_components[];

MM_END_DECLS

#endif
