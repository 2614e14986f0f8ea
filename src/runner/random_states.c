/* See random_states.h. */
#include "runner/random_states.h"

#include <string.h>

#include "mmengine/ops.h"
#include "runner/internal.h"

static void put_state(mm_value *states, const char *device)
{
    mm_scope scope = mm_scope_open();

    mm_dict_put_tensor(states, device, mm_rng_state(device));
    mm_scope_close(scope);
}

static bool has_device(const mm_runner *runner)
{
    return strncmp(runner->device, "cpu", 3) != 0;
}

mm_value *mmi_random_states(const mm_runner *runner)
{
    mm_value *states = mm_value_new_dict();

    put_state(states, "cpu");
    if (has_device(runner))
        put_state(states, runner->device);
    return states;
}

mm_value *mmi_device_random_states(const mm_runner *runner)
{
    if (!has_device(runner))
        return NULL;
    mm_value *states = mm_value_new_dict();

    put_state(states, runner->device);
    return states;
}

mm_status mmi_random_restore(const mm_value *states)
{
    for (size_t i = 0; i < mm_value_len(states) && !mm_has_error(); i++) {
        const char *device = mm_dict_name_at(states, i);

        if (mm_device_is_available(device))
            (void)mm_rng_set_state(device, mm_value_tensor(mm_dict_at(states, i)));
    }
    return mm_pending();
}
