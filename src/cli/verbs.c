/* What the program can do: its verbs and their options. Parsing, help, man page,
 * completion and docs all read these tables. */
#include "cli/verbs.h"

/* Rows by kind: a flag, an option with a value, with one of some words, an argument. */
#define FLAG(name_, help_)                                                             \
    {                                                                                  \
        .name = (name_), .help = (help_)                                               \
    }
#define VALUE(name_, word_, value_, help_)                                             \
    {                                                                                  \
        .name = (name_), .kind = CLI_VALUE, .word = (word_), .value = (value_),        \
        .help = (help_)                                                                \
    }
#define EACH(name_, value_, help_)                                                     \
    {                                                                                  \
        .name = (name_), .kind = CLI_EACH, .value = (value_), .help = (help_)          \
    }
#define CHOICE(name_, value_, choices_, help_)                                         \
    {                                                                                  \
        .name = (name_), .kind = CLI_VALUE, .word = CLI_CHOICE, .value = (value_),     \
        .choices = (choices_), .help = (help_)                                         \
    }
#define ARGUMENT(name_, word_, help_)                                                  \
    {                                                                                  \
        .name = (name_), .kind = CLI_VALUE, .word = (word_), .help = (help_),          \
        .is_required = true                                                            \
    }
#define CHOSEN(name_, choices_, help_)                                                 \
    {                                                                                  \
        .name = (name_), .kind = CLI_VALUE, .word = CLI_CHOICE, .choices = (choices_), \
        .help = (help_), .is_required = true                                           \
    }

/* Rows that several verbs have. */
#define CFG_OPTIONS                                                                    \
    {                                                                                  \
        .name = "cfg-options", .kind = CLI_OVERRIDES, .value = "KEY=VALUE ...",        \
        .help = "changes the config: dotted keys, values as in the config "            \
                "(optim_wrapper.optimizer.lr=0.1); the option's name may be left out"  \
    }
#define WORK_DIR                                                                       \
    VALUE("work-dir", CLI_FOLDER, "DIR",                                               \
          "folder for logs and checkpoints; default: the config's work_dir, else "     \
          "work_dirs/<name of the config>")
#define LAUNCHER                                                                       \
    CHOICE("launcher", "NAME", "none|pytorch|slurm|mpi", "how this process was started")
#define LOCAL_RANK                                                                     \
    VALUE("local-rank", CLI_ANY, "N",                                                  \
          "number of this process on its machine; sets LOCAL_RANK if unset")
#define ALLOW_PARTIAL                                                                  \
    FLAG("allow-partial", "loads what fits of a checkpoint, however little; sets "     \
                          "load_cfg.allow_partial")
#define CONFIG ARGUMENT("CONFIG", CLI_FILE, "config file (.py, .yaml, .json)")
#define OUT(help_)                                                                     \
    {                                                                                  \
        .name = "out", .letter = 'o', .kind = CLI_VALUE, .word = CLI_FILE,             \
        .value = "FILE", .help = (help_)                                               \
    }

#define JSON FLAG("json", "prints JSON, for other programs")

const struct cli_option cli_global_options[] = {
    {.name = "help", .letter = 'h', .help = "short help; --help: all of it"},
    CHOICE("color", "WHEN", "auto|always|never",
           "colours on the terminal; default: as NO_COLOR and FORCE_COLOR say, else "
           "auto"),
    {0},
};

static const struct cli_option config_argument[] = {CONFIG, {0}};

static const struct cli_option train_options[] = {
    WORK_DIR,
    {.name = "resume",
     .kind = CLI_MAYBE,
     .word = CLI_FILE,
     .value = "PATH",
     .help = "goes on from a checkpoint; without PATH, or with auto, from the "
             "newest good one in the work folder"},
    FLAG("amp", "mixed precision: OptimWrapper becomes AmpOptimWrapper with dynamic "
                "loss scale"),
    FLAG("auto-scale-lr",
         "scales the learning rate from the config's base batch size to the real one"),
    CFG_OPTIONS,
    FLAG("no-validate", "trains without validation"),
    VALUE("seed", CLI_ANY, "N", "seed of all random numbers"),
    ALLOW_PARTIAL,
    FLAG("dry", "builds everything, runs one batch, shows shapes, memory and time"),
    FLAG("force", "trains although another run holds the work folder"),
    LAUNCHER,
    LOCAL_RANK,
    {0},
};

static const struct cli_option test_arguments[] = {
    CONFIG,
    ARGUMENT("CHECKPOINT", CLI_FILE, "weights (.pth)"),
    {0},
};

static const struct cli_option test_options[] = {
    WORK_DIR,
    {.name = "out",
     .kind = CLI_VALUE,
     .word = CLI_FILE,
     .value = "FILE",
     .help = "writes all predictions to a file (.pkl), for 'mmengine eval'"},
    {.name = "show",
     .help = "shows predictions in a window",
     .missing = "the program opens no windows; --show-dir writes pictures"},
    VALUE("show-dir", CLI_FOLDER, "DIR",
          "writes pictures with predictions to a folder"),
    VALUE("interval", CLI_ANY, "N", "every N-th picture; default 1"),
    FLAG("tta", "test-time augmentation, by the config's tta_model and tta_pipeline"),
    ALLOW_PARTIAL,
    CFG_OPTIONS,
    LAUNCHER,
    LOCAL_RANK,
    {0},
};

static const struct cli_option eval_arguments[] = {
    CONFIG,
    ARGUMENT("PREDICTIONS", CLI_FILE, "file of 'mmengine test --out' or DumpResults"),
    {0},
};
static const struct cli_option eval_options[] = {
    OUT("writes the numbers to a file, as JSON"),
    VALUE("chunk-size", CLI_ANY, "N",
          "predictions that are handed over at once; default 1"),
    FLAG("no-dataset", "does not open the test dataset to ask for its classes"),
    CFG_OPTIONS,
    {0},
};

static const struct cli_option replay_arguments[] = {
    ARGUMENT("FILE", CLI_FILE, "file that NanGuardHook wrote"),
    {0},
};
static const struct cli_option replay_options[] = {
    FLAG("all", "a row for each module, in the order in which they returned"),
    {0},
};

static const struct cli_option list_arguments[] = {
    {.name = "REGISTRY",
     .kind = CLI_VALUE,
     .word = CLI_REGISTRY,
     .help = "registry to list; default: all, with counts"},
    {0},
};
static const struct cli_option list_options[] = {
    VALUE("scope", CLI_ANY, "NAME", "only components of a scope"),
    FLAG("names", "names only, one per line, for scripts"),
    {0},
};

static const struct cli_option help_arguments[] = {
    {.name = "NAME",
     .kind = CLI_VALUE,
     .word = CLI_COMPONENT,
     .help = "a verb, a component (SGD, mmpretrain.ResNet) or a registry"},
    {0},
};

static const struct cli_option plot_arguments[] = {
    {.name = "WORK_DIR",
     .kind = CLI_PATHS,
     .word = CLI_FOLDER,
     .help = "work folders, run folders or scalars files",
     .is_required = true},
    {0},
};
static const struct cli_option plot_options[] = {
    {.name = "keys",
     .letter = 'k',
     .kind = CLI_VALUE,
     .value = "NAMES",
     .help = "scalars to draw, separated by commas; default: all but times and memory"},
    OUT("picture to write, .svg or .png; default: both, in the first work folder"),
    {0},
};

static const struct cli_option schedule_options[] = {
    CFG_OPTIONS,
    FLAG("auto-scale-lr",
         "scales the learning rate from the config's base batch size to the real one"),
    VALUE("epoch-length", CLI_ANY, "N",
          "iterations of an epoch, where the data are not at hand; default: asks the "
          "data, if a schedule counts iterations"),
    VALUE("plot", CLI_FILE, "FILE", "draws the curves instead, as .svg or .png"),
    FLAG("json", "prints JSON: every change of every value as [position, value]"),
    {0},
};

static const struct cli_option env_options[] = {
    FLAG("no-torch", "does not load libtorch to ask for its version"),
    {0},
};

static const struct cli_option plugin_new_arguments[] = {
    CHOSEN("KIND", CLI_PLUGIN_KINDS, "what it is"),
    ARGUMENT("NAME", CLI_ANY, "the component's name: MyNet"),
    {0},
};
static const struct cli_option plugin_new_options[] = {
    OUT("file to write; default: the name in small letters with .c"),
    {0},
};
static const struct cli_option plugin_build_arguments[] = {
    ARGUMENT("FILE", CLI_FILE, "C file of the plugin"),
    {0},
};
static const struct cli_option plugin_build_options[] = {
    OUT("library to write; default: the file's name with .so"),
    {0},
};

static const struct cli_verb plugin_verbs[] = {
    {"new", "writes a skeleton that compiles", NULL, plugin_new_arguments,
     plugin_new_options, NULL, cli_plugin_new, false, NULL},
    {"build", "compiles a plugin for machines without a compiler", NULL,
     plugin_build_arguments, plugin_build_options, NULL, cli_plugin_build, false, NULL},
    {0},
};

static const struct cli_option config_show_options[] = {
    CHOICE("format", "FORM", "py|json|yaml",
           "py: Python, keys in the order of the source (default); json: every value "
           "with its Python type, for other programs; yaml"),
    FLAG("origin", "a line for each value, with the place it was written at"),
    CFG_OPTIONS,
    {0},
};
static const struct cli_option config_diff_arguments[] = {
    ARGUMENT("A", CLI_FILE, "config file"),
    ARGUMENT("B", CLI_FILE, "config file it is compared with"),
    {0},
};
static const struct cli_option config_dump_options[] = {CFG_OPTIONS, {0}};
static const struct cli_option config_dump_arguments[] = {
    CONFIG,
    ARGUMENT("FILE", CLI_FILE, "file to write; its ending says the form"),
    {0},
};

static const struct cli_option config_lint_arguments[] = {
    {.name = "FILE",
     .kind = CLI_PATHS,
     .word = CLI_FILE,
     .help = "config files, or folders: all .py files below",
     .is_required = true},
    {0},
};
static const struct cli_option config_lint_options[] = {
    CHOICE("format", "FORM", "text|json", "how findings are printed; default: text"),
    FLAG("all", "of several files too: every place of what is not built here"),
    FLAG("plugins", "compiles and loads what custom_imports names, and checks it too"),
    {0},
};

static const struct cli_verb config_verbs[] = {
    {"show", "prints a config as it is after bases and overrides", NULL,
     config_argument, config_show_options, NULL, cli_config_show, false, NULL},
    {"diff", "lists what differs between two configs, with its places",
     "Values are compared after bases are merged; the order of keys does not count. "
     "The "
     "exit code is 1 if there is a difference.",
     config_diff_arguments, NULL, NULL, cli_config_diff, false, NULL},
    {"dump", "writes it to a file (.py, .yaml, .json), keys sorted", NULL,
     config_dump_arguments, config_dump_options, NULL, cli_config_dump, false, NULL},
    {"lint", "checks every type and option of configs without building anything",
     "Three outcomes for a component: built here, its options are checked; known from "
     "another library, but not built here; unknown. Plugins are neither compiled nor "
     "loaded without --plugins. Exit code 2: mistakes; 1: none, but a run needs what "
     "is "
     "not built here; 0: neither.",
     config_lint_arguments, config_lint_options, NULL, cli_config_lint, false, NULL},
    {0},
};

static const struct cli_option ckpt_two_arguments[] = {
    ARGUMENT("A", CLI_FILE, "checkpoint (.pth, .safetensors)"),
    ARGUMENT("B", CLI_FILE, "checkpoint it is compared with"),
    {0},
};
static const struct cli_option ckpt_diff_options[] = {
    FLAG("exact", "compares bits and types; default: values"),
    EACH("ignore", "KEY",
         "leaves out a path with all below it (meta.cfg), or every key of that name "
         "(cfg); may come several times"),
    FLAG("times", "compares times, ETAs, memory and experiment names too"),
    JSON,
    {0},
};

static const struct cli_option ckpt_files_arguments[] = {
    {.name = "FILE",
     .kind = CLI_PATHS,
     .word = CLI_FILE,
     .help = "checkpoints (.pth, .safetensors)",
     .is_required = true},
    {0},
};
static const struct cli_option ckpt_show_options[] = {
    FLAG("config", "prints the config of the run that wrote it, and nothing else"),
    JSON,
    {0},
};
static const struct cli_option ckpt_convert_arguments[] = {
    ARGUMENT("FROM", CLI_FILE, "checkpoint (.pth, .safetensors)"),
    ARGUMENT("TO", CLI_FILE, "file to write; .safetensors at its end makes it one"),
    {0},
};
static const struct cli_option ckpt_convert_options[] = {
    FLAG("mmengine",
         "for Python MMEngine 0.10 to resume from: without our own key, histories of "
         "scalars as its HistoryBuffer"),
    {.name = "scalars",
     .kind = CLI_VALUE,
     .word = CLI_FILE,
     .value = "FILE",
     .help = "with --mmengine: histories from a run's scalars.json"},
    FLAG("weights-only", "the bare state dict, as torch.save(model.state_dict())"),
    CHOICE("to-dtype", "DTYPE", "float16|bfloat16|float32|float64",
           "dtype of the floating-point weights; default: as they are"),
    {0},
};
static const struct cli_option ckpt_average_options[] = {
    OUT("file to write; required"),
    VALUE("weights", CLI_ANY, "NUMBERS",
          "weight of each file, separated by commas; default: all equal"),
    {0},
};
static const struct cli_option ckpt_publish_options[] = {
    VALUE("keys", CLI_ANY, "KEYS",
          "what is kept, separated by commas; default: meta,state_dict"),
    {0},
};

static const struct cli_verb ckpt_verbs[] = {
    {"show", "lists what is in checkpoints: meta, keys, tensors, sizes", NULL,
     ckpt_files_arguments, ckpt_show_options, NULL, cli_ckpt_show, false, NULL},
    {"verify", "reads files whole and verifies every checksum",
     "The exit code is 3 if a file is missing or damaged. Files of .safetensors and of "
     "PyTorch before 1.6 have no checksums: of them only the layout is verified.",
     ckpt_files_arguments, NULL, NULL, cli_ckpt_verify, false, NULL},
    {"convert", "writes a checkpoint in another form", NULL, ckpt_convert_arguments,
     ckpt_convert_options, NULL, cli_ckpt_convert, false, NULL},
    {"average", "writes the mean of several checkpoints' weights",
     "Sums are kept in float64 and rounded once. Integers and meta are the first "
     "file's; optimizers are left out.",
     ckpt_files_arguments, ckpt_average_options, NULL, cli_ckpt_average, false, NULL},
    {"diff", "lists what differs between two checkpoints",
     "Weights, optimizers, schedulers, message hub, everything: names that only one "
     "file has (-, +), other shapes and dtypes, and how many elements differ by how "
     "much. Times, ETAs, memory and experiment names are left out. The exit code is 1 "
     "if there is a difference.",
     ckpt_two_arguments, ckpt_diff_options, NULL, cli_ckpt_diff, false, NULL},
    {"publish", "writes copies without optimizers, with a hash in their names",
     "Beside FILE, as FILE-<8 digits of its SHA-256>.pth.", ckpt_files_arguments,
     ckpt_publish_options, NULL, cli_ckpt_publish, false, NULL},
    {0},
};

static const struct cli_option completion_arguments[] = {
    CHOSEN("SHELL", "bash|zsh|fish", "the shell"),
    {0},
};
static const struct cli_option gen_arguments[] = {
    CHOSEN("WHAT", "man|registries|components|reference|verbs", "what to print"),
    {0},
};

const struct cli_verb cli_verbs[] = {
    {"train", "trains the model that a config describes",
     "Checks the whole config first, then builds and trains. On a terminal a line "
     "shows the progress. The first interrupt (Ctrl-C, SIGTERM) finishes the "
     "iteration, saves a checkpoint and leaves; the second leaves at once.",
     config_argument, train_options, NULL, cli_train, false, NULL},
    {"test", "tests a checkpoint with the config's test loader and evaluator", NULL,
     test_arguments, test_options, NULL, cli_test, false, NULL},
    {"eval", "evaluates predictions that were kept, without a model",
     "Runs the config's test_evaluator over a file of predictions, written by "
     "'mmengine test --out' or by DumpResults, here or in Python.",
     eval_arguments, eval_options, NULL, cli_eval, false, NULL},
    {"replay", "runs a batch that went wrong again, with a look at every module",
     "NanGuardHook writes such files: batch, weights, random state and config. Shows "
     "the losses, the first module whose numbers were not finite, and what went in and "
     "came out of it. Exit code 1: something was not finite.",
     replay_arguments, replay_options, NULL, cli_replay, false, NULL},
    {"list", "lists registries, or the components of one", NULL, list_arguments,
     list_options, NULL, cli_list, false, NULL},
    {"help", "explains a verb, a component or a registry", NULL, help_arguments, NULL,
     NULL, cli_help, false, NULL},
    {"schedule", "shows learning rates and all else that changes, without training",
     "Learning rate, momentum and weight decay of every parameter group over the whole "
     "run, with auto_scale_lr and accumulation; groups with equal curves are one. "
     "Positions are counted from 0, as begin, end and milestones are. The data are "
     "opened "
     "only if a schedule counts iterations and --epoch-length is not given; the model "
     "is "
     "made only if the groups follow from it (paramwise_cfg). What waits for metrics "
     "(ReduceOnPlateau) is named and left out.",
     config_argument, schedule_options, NULL, cli_schedule, false, NULL},
    {"plot", "draws curves of one or several runs as SVG and PNG", NULL, plot_arguments,
     plot_options, NULL, cli_plot, false, NULL},
    {.name = "config",
     .help = "shows, compares, checks or writes configs",
     .details = "'mmengine config FILE' is short for 'mmengine config show FILE'.",
     .verbs = config_verbs,
     .usual = "show"},
    {.name = "ckpt",
     .help = "looks into checkpoints, checks, compares, converts and averages them",
     .details = "'mmengine ckpt FILE' is short for 'mmengine ckpt show FILE'.",
     .verbs = ckpt_verbs,
     .usual = "show"},
    {"plugin", "begins or compiles a component of your own", NULL, NULL, NULL,
     plugin_verbs, NULL, false, NULL},
    {"env", "shows versions, libraries and devices", NULL, NULL, env_options, NULL,
     cli_env, false, NULL},
    {"completion", "prints the completion script of a shell",
     "For bash: eval \"$(mmengine completion bash)\"", completion_arguments, NULL, NULL,
     cli_completion, false, NULL},
    {"__gen", "prints what is made from the tables", NULL, gen_arguments, NULL, NULL,
     cli_gen, true, NULL},
    {0},
};

const struct cli_note cli_exit_codes[] = {
    {"0", "done"},
    {"1", "the run failed"},
    {"2", "bad usage or bad config"},
    {"3", "a data file or checkpoint is missing or damaged"},
    {"4", "a plugin does not compile, load or fit"},
    {"128+n", "ended by signal n (130: Ctrl-C, 143: SIGTERM)"},
    {0},
};

const struct cli_note cli_environment[] = {
    {"MMENGINE_PLUGIN_PATH", "folders with plugins, separated by colons"},
    {"MMENGINE_CC", "compiler for plugins; default: CC, then cc"},
    {"MMENGINE_CFLAGS", "further flags for that compiler"},
    {"MMENGINE_LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR"},
    {"MMENGINE_WORK_DIR", "folder for work folders; default: work_dirs"},
    {"MMENGINE_NUM_THREADS", "threads that compute; default: all physical cores"},
    {"MMENGINE_CACHE_DIR", "folder for compiled plugins and measured choices; default: "
                           "mmengine below XDG_CACHE_HOME"},
    {"XDG_CACHE_HOME", "folder of caches; default: ~/.cache"},
    {"NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE", "colours off or on"},
    {0},
};
