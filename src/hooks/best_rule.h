/* Which of two values of a metric is the better one. Source:
 * CheckpointHook._init_rule, EarlyStoppingHook._init_rule. */
#ifndef MM_HOOKS_BEST_RULE_H
#define MM_HOOKS_BEST_RULE_H

#include "mmengine/component.h"

typedef enum mmi_best_rule {
    MMI_RULE_INFER,
    MMI_RULE_GREATER,
    MMI_RULE_LESS
} mmi_best_rule;

/* Of 'greater', 'less' or None (INFER); anything else is MM_ECONFIG. */
mmi_best_rule mmi_best_rule_parse(const mm_value *value);
/* From the metric's name: equal to a word, or else with one as a part, case aside.
 * Words without data are MMEngine's. MM_ECONFIG and INFER if no word fits. */
mmi_best_rule mmi_best_rule_infer(const char *metric, const mm_strs *greater_keys,
                                  const mm_strs *less_keys);
bool mmi_best_rule_is_better(mmi_best_rule rule, double value, double than);
/* The worst value there is. */
double mmi_best_rule_worst(mmi_best_rule rule);

#endif
