/* The three forms in which `schedule` says a forecast. */
#ifndef CLI_SCHEDULE_H
#define CLI_SCHEDULE_H

#include "mmengine/forecast.h"

/* Short, for people; on stdout. */
void cli_schedule_print(const mm_forecast *forecast);
/* All of it, for programs; on stdout. */
void cli_schedule_print_json(const mm_forecast *forecast);
/* A picture (.svg, .png). */
mm_status cli_schedule_draw(const mm_forecast *forecast, const char *title,
                            const char *path);

#endif
