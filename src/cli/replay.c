/* `replay FILE`: a batch that NanGuardHook wrote, run again. */
#include <stdio.h>

#include "cli/verbs.h"
#include "mmengine/mmengine.h"

int cli_replay(const struct cli_args *args)
{
    mm_replay_result result;
    int code = cli_register();

    if (code != CLI_DONE) {
        return code;
    }
    if (mm_replay(cli_text(args, "FILE"), cli_is_given(args, "all"), &result) < 0) {
        return cli_report();
    }
    (void)printf("%s\n", result.text);
    mm_free(result.text);
    return result.is_finite ? CLI_DONE : CLI_FAILED;
}
