/* Compiling plugins with the system's compiler. It finds the public headers relative to
 * where this library lies, so that a build tree, an installation and a moved
 * installation all work, and links the plugin against this very library, so that the
 * loader binds it to the copy that is loaded. */
#include "registry/plugin.h"

#include <string.h>

#include "base/checksum.h"
#include "base/os.h"
#include "base/str.h"
#include "base/vec.h"
#include "mmengine/file.h"
#include "mmengine/log.h"

/* A compiler's text in an error message; more than this is cut. */
enum { MAX_SHOWN = 1100 };

/* A command line that is being put together; the words are owned. */
struct command {
    MMI_VEC(char *) words;
};

static void add_word(struct command *command, MM_TAKES char *word)
{
    if (word != NULL && !mmi_vec_push(&command->words, word)) {
        mm_free(word);
    }
}

static void add(struct command *command, const char *word)
{
    add_word(command, mm_strdup(word));
}

/* Words separated by blanks, as in CC="ccache gcc". */
static void add_split(struct command *command, const char *words)
{
    while (words != NULL && *words != '\0') {
        size_t size = strcspn(words, " \t");

        if (size > 0) {
            add_word(command, mmi_strndup(words, size));
        }
        words += size + (words[size] != '\0' ? 1 : 0);
    }
}

static void command_deinit(struct command *command)
{
    for (size_t i = 0; i < command->words.count; i++) {
        mm_free(command->words.data[i]);
    }
    mmi_vec_deinit(&command->words);
}

static bool is_set(const char *text)
{
    return text != NULL && text[strspn(text, " \t")] != '\0';
}

/* $MMENGINE_CC, $CC, cc */
static const char *compiler(void)
{
    const char *own = mmi_os_env("MMENGINE_CC");
    const char *usual = mmi_os_env("CC");

    return is_set(own) ? own : is_set(usual) ? usual : "cc";
}

/* --- where things are --- */

static bool has_headers(const char *folder)
{
    char *probe = mm_path_join(folder, "mmengine/mmengine.h");
    bool found = probe != NULL && mm_file_exists(probe);

    mm_free(probe);
    return found;
}

/* `folder` if it holds the headers, else it is freed. */
static char *keep_if_headers(MM_TAKES char *folder)
{
    if (folder != NULL && has_headers(folder)) {
        return folder;
    }
    mm_free(folder);
    return NULL;
}

/* The library or program that this code lies in; yours. */
static char *own_path(void)
{
    const void *(*function)(void) = mm_host_token;
    const void *address = NULL;

    memcpy(&address, &function, sizeof(address));
    char *path = mmi_library_path_of(address);
    char *full = path != NULL ? mmi_os_realpath(path) : NULL;

    mm_free(path);
    return full;
}

/* The folder with the public headers: given, beside the library (lib/../include,
 * lib/<arch>/../../include), where they were installed, where they were built. */
static char *find_headers(const char *library)
{
    static const char *const beside[] = {"../include", "../../include",
                                         "../../../include"};
    const char *given = mmi_os_env("MMENGINE_INCLUDE_DIR");
    char *folder = is_set(given) ? keep_if_headers(mm_strdup(given)) : NULL;
    char *home = mm_path_dirname(library);

    for (size_t i = 0;
         folder == NULL && !mm_has_error() && i < sizeof(beside) / sizeof(beside[0]);
         i++) {
        char *joined = mm_path_join(home, beside[i]);

        folder = keep_if_headers(joined != NULL ? mm_path_normalize(joined) : NULL);
        mm_free(joined);
    }
    mm_free(home);
#ifdef MM_INSTALL_INCLUDE_DIR
    folder =
        folder != NULL ? folder : keep_if_headers(mm_strdup(MM_INSTALL_INCLUDE_DIR));
#endif
#ifdef MM_SOURCE_INCLUDE_DIR
    folder =
        folder != NULL ? folder : keep_if_headers(mm_strdup(MM_SOURCE_INCLUDE_DIR));
#endif
    if (folder == NULL && !mm_has_error()) {
        mm_raise(MM_EPLUGIN, "could not find the headers of mmengine near '%s'",
                 library);
        (void)mm_error_hint("set MMENGINE_INCLUDE_DIR to the folder that holds "
                            "mmengine/mmengine.h");
    }
    return folder;
}

static bool is_library(const char *path)
{
    return strncmp(mm_path_basename(path), "libmmengine", 11) == 0;
}

/* --- the command --- */

/* Everything but the names of files. */
static mm_status make_command(struct command *command, char **out_library)
{
    static const char *const flags[] = {"-std=gnu17",
                                        "-O2",
                                        "-g",
                                        "-fPIC",
                                        "-Wall",
                                        "-fvisibility=hidden",
                                        "-ffp-contract=off",
                                        "-fdiagnostics-color=never"};
    char *library = own_path();
    char *headers = library != NULL ? find_headers(library) : NULL;

    if (headers != NULL) {
        add_split(command, compiler());
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
            add(command, flags[i]);
        }
        add_word(command, mm_strfmt("-I%s", headers));
        add_split(command, mmi_os_env("MMENGINE_CFLAGS"));
        add(command, "-shared");
    }
    mm_free(headers);
    *out_library = library;
    return mm_pending();
}

/* Where the first complaint begins: after notes about includes and warnings. */
static const char *first_error(const char *text)
{
    const char *error = strstr(text, "error:");

    while (error != NULL && error > text && error[-1] != '\n') {
        error--;
    }
    return error != NULL ? error : text;
}

static mm_status raise_compiler(const char *source, const struct command *command,
                                const mmi_spawn_result *result)
{
    const char *text = result->output != NULL ? result->output : "";
    const char *shown = first_error(text);
    size_t size = strlen(shown);

    while (size > 0 && shown[size - 1] == '\n') {
        size--;
    }
    bool is_cut = size > MAX_SHOWN;

    mm_raise(MM_EPLUGIN, "could not compile plugin '%s' (%s ended with %d)%s%.*s%s",
             source, command->words.data[0], result->exit_code, size > 0 ? ":\n" : "",
             (int)(is_cut ? MAX_SHOWN : size), shown, is_cut ? "\n..." : "");
    return is_cut ? mm_error_hint("'mmengine plugin build %s' shows all of it", source)
                  : mm_pending();
}

/* There is no such program. */
static mm_status raise_no_compiler(const char *source)
{
    mm_error cause;

    (void)mm_error_take(&cause);
    mm_raise(MM_EPLUGIN, "could not compile plugin '%s': there is no compiler '%s'",
             source, compiler());
    return mm_error_hint("install one, name one in MMENGINE_CC, or build the plugin on "
                         "another machine: mmengine plugin build %s",
                         source);
}

static mm_status run(const char *source, struct command *command)
{
    mmi_spawn_result result = {0};

    if (!mmi_vec_push(&command->words, NULL)) {
        return mm_pending();
    }
    mmi_spawn_args args = {.argv = (const char *const *)command->words.data,
                           .joins_stderr = true};

    if (mmi_spawn(&args, &result) != MM_OK) {
        return mm_pending() == MM_ENOENT ? raise_no_compiler(source) : mm_pending();
    }
    if (result.exit_code != 0) {
        (void)raise_compiler(source, command, &result);
    } else if (result.output_size > 0) {
        mm_log(MM_LOG_WARN, "the compiler on plugin '%s':\n%s", source, result.output);
    }
    mmi_spawn_result_deinit(&result);
    return mm_pending();
}

mm_status mmi_plugin_compile(const char *source, const char *output,
                             const char *dependencies)
{
    struct command command = {0};
    char *library = NULL;

    if (make_command(&command, &library) == MM_OK) {
        if (dependencies != NULL) {
            add(&command, "-MD");
            add(&command, "-MF");
            add(&command, dependencies);
        }
        add(&command, "-o");
        add(&command, output);
        add(&command, source);
        if (is_library(library)) {
            add(&command, library);
        }
        add(&command, "-lm");
    }
    if (!mm_has_error()) {
        (void)run(source, &command);
    }
    mm_free(library);
    command_deinit(&command);
    return mm_pending();
}

/* What the compiler says of itself; an unknown one is told apart by its name alone. */
static void add_version(mmi_str *text)
{
    struct command command = {0};
    mmi_spawn_result result = {0};

    add_split(&command, compiler());
    add(&command, "--version");
    if (mmi_vec_push(&command.words, NULL)) {
        mmi_spawn_args args = {.argv = (const char *const *)command.words.data,
                               .joins_stderr = true};

        if (mmi_spawn(&args, &result) == MM_OK && result.output != NULL) {
            mmi_str_add_n(text, result.output, result.output_size);
        } else if (mm_pending() == MM_ENOENT) {
            (void)mm_error_take(NULL); /* compiling will say so */
        }
    }
    mmi_spawn_result_deinit(&result);
    command_deinit(&command);
}

mm_status mmi_plugin_fingerprint(const char *source, char *out_hex)
{
    struct command command = {0};
    char *library = NULL;
    char *full = mmi_os_realpath(source);
    mmi_str text = {0};

    if (full != NULL && make_command(&command, &library) == MM_OK) {
        mmi_str_addf(&text, "abi %d %s\n%s\n%s\n", MM_ABI_VERSION, MM_VERSION, full,
                     library);
        for (size_t i = 0; i < command.words.count; i++) {
            mmi_str_addf(&text, "%s\n", command.words.data[i]);
        }
        add_version(&text);
    }
    if (!mm_has_error()) {
        mmi_sha256_text(mmi_str_text(&text), text.size, out_hex);
    }
    mmi_str_deinit(&text);
    command_deinit(&command);
    mm_free(library);
    mm_free(full);
    return mm_pending();
}

mm_status mm_plugin_build(const char *source, const char *output)
{
    if (mm_has_error()) {
        return mm_pending();
    }
    if (source == NULL || !mm_file_exists(source)) {
        return mm_raise(source == NULL ? MM_EINVAL : MM_ENOENT,
                        "could not build plugin '%s': no such file",
                        source != NULL ? source : "NULL");
    }
    size_t stem = strlen(source) - strlen(mm_path_extension(source));
    char *target =
        output != NULL ? mm_strdup(output) : mm_strfmt("%.*s.so", (int)stem, source);
    char *temp = target != NULL
                     ? mm_strfmt("%s.%lld.tmp", target, (long long)mmi_os_pid())
                     : NULL;

    if (temp != NULL && mmi_plugin_compile(source, temp, NULL) == MM_OK) {
        (void)mmi_os_rename(temp, target);
    }
    mm_free(temp);
    mm_free(target);
    return mm_pending();
}
