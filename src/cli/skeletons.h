/* What `plugin new` writes. */
#ifndef CLI_SKELETONS_H
#define CLI_SKELETONS_H

/* One kind. @Name@ and @name@ stand for the component's name. */
struct cli_skeleton {
    const char *kind; /* "model" */
    const char *text; /* the C file */
    const char *use;  /* how a config names it */
};

/* Ends with {0}. */
extern const struct cli_skeleton cli_skeletons[];

#endif
