/* Rules of better and worse, as MMEngine infers them from a metric's name. */
#include "hooks/best_rule.h"

#include <math.h>
#include <string.h>

#include "mmengine/memory.h"

static const char *const greater_words[] = {"acc", "top",   "AR@",  "auc",  "precision",
                                            "mAP", "mDice", "mIoU", "mAcc", "aAcc"};
static const char *const less_words[] = {"loss"};

#define WORDS(list)                                                                    \
    {                                                                                  \
        list, sizeof(list) / sizeof(list[0])                                           \
    }
static const mm_strs usual_greater = WORDS(greater_words);
static const mm_strs usual_less = WORDS(less_words);

/* A copy in lower case; ASCII is enough for names of metrics. */
static char *lower(const char *text)
{
    char *copy = mm_strdup(text);

    for (char *c = copy; c != NULL && *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    return copy;
}

/* Case-insensitive: how `key` stands in one of `words`; 2 equal, 1 as a part, 0 not. */
static int match_words(const char *key, const mm_strs *words)
{
    char *lower_key = lower(key);
    int best = 0;

    for (size_t i = 0; lower_key != NULL && i < words->count && best < 2; i++) {
        char *word = lower(words->data[i]);

        if (word != NULL && strcmp(lower_key, word) == 0)
            best = 2;
        else if (word != NULL && strstr(lower_key, word) != NULL)
            best = 1;
        mm_free(word);
    }
    mm_free(lower_key);
    return best;
}

mmi_best_rule mmi_best_rule_infer(const char *metric, const mm_strs *greater_keys,
                                  const mm_strs *less_keys)
{
    int greater =
        match_words(metric, greater_keys->data == NULL ? &usual_greater : greater_keys);
    int less = match_words(metric, less_keys->data == NULL ? &usual_less : less_keys);

    if (greater == 2)
        return MMI_RULE_GREATER;
    if (less == 2)
        return MMI_RULE_LESS;
    if (greater == 1)
        return MMI_RULE_GREATER;
    if (less == 1)
        return MMI_RULE_LESS;
    (void)mm_raise(MM_ECONFIG, "whether metric '%s' should grow or fall is not known",
                   metric);
    (void)mm_error_hint("set rule='greater' or rule='less' in the hook");
    return MMI_RULE_INFER;
}

mmi_best_rule mmi_best_rule_parse(const mm_value *value)
{
    const char *text = mm_value_is_none(value) ? NULL : mm_value_str(value);

    if (text == NULL)
        return MMI_RULE_INFER;
    if (strcmp(text, "greater") == 0)
        return MMI_RULE_GREATER;
    if (strcmp(text, "less") == 0)
        return MMI_RULE_LESS;
    (void)mm_raise(MM_ECONFIG, "rule must be 'greater', 'less' or None, not '%s'",
                   text);
    return MMI_RULE_INFER;
}

bool mmi_best_rule_is_better(mmi_best_rule rule, double value, double than)
{
    return rule == MMI_RULE_GREATER ? value > than : value < than;
}

double mmi_best_rule_worst(mmi_best_rule rule)
{
    return rule == MMI_RULE_GREATER ? -INFINITY : INFINITY;
}
