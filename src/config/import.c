/* Import statements of a non-lazy file. Nothing is loaded: standard modules come from
 * our tables, other parts of Python's library are bound but cannot be used, and what is
 * not Python's own is an error. */
#include <string.h>

#include "config/lazy.h"
#include "config/objects.h"
#include "config/style.h"
#include "mmengine/memory.h"

/* First parts of the names of Python 3.11's standard modules, sorted. */
static const char *const std_names[] = {
    "abc",
    "aifc",
    "antigravity",
    "argparse",
    "array",
    "ast",
    "asynchat",
    "asyncio",
    "asyncore",
    "atexit",
    "audioop",
    "base64",
    "bdb",
    "binascii",
    "bisect",
    "builtins",
    "bz2",
    "cProfile",
    "calendar",
    "cgi",
    "cgitb",
    "chunk",
    "cmath",
    "cmd",
    "code",
    "codecs",
    "codeop",
    "collections",
    "colorsys",
    "compileall",
    "concurrent",
    "configparser",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "crypt",
    "csv",
    "ctypes",
    "curses",
    "dataclasses",
    "datetime",
    "dbm",
    "decimal",
    "difflib",
    "dis",
    "distutils",
    "doctest",
    "email",
    "encodings",
    "ensurepip",
    "enum",
    "errno",
    "faulthandler",
    "fcntl",
    "filecmp",
    "fileinput",
    "fnmatch",
    "fractions",
    "ftplib",
    "functools",
    "gc",
    "genericpath",
    "getopt",
    "getpass",
    "gettext",
    "glob",
    "graphlib",
    "grp",
    "gzip",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "http",
    "idlelib",
    "imaplib",
    "imghdr",
    "imp",
    "importlib",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "keyword",
    "lib2to3",
    "linecache",
    "locale",
    "logging",
    "lzma",
    "mailbox",
    "mailcap",
    "marshal",
    "math",
    "mimetypes",
    "mmap",
    "modulefinder",
    "msilib",
    "msvcrt",
    "multiprocessing",
    "netrc",
    "nis",
    "nntplib",
    "nt",
    "ntpath",
    "nturl2path",
    "numbers",
    "opcode",
    "operator",
    "optparse",
    "os",
    "ossaudiodev",
    "pathlib",
    "pdb",
    "pickle",
    "pickletools",
    "pipes",
    "pkgutil",
    "platform",
    "plistlib",
    "poplib",
    "posix",
    "posixpath",
    "pprint",
    "profile",
    "pstats",
    "pty",
    "pwd",
    "py_compile",
    "pyclbr",
    "pydoc",
    "pydoc_data",
    "pyexpat",
    "queue",
    "quopri",
    "random",
    "re",
    "readline",
    "reprlib",
    "resource",
    "rlcompleter",
    "runpy",
    "sched",
    "secrets",
    "select",
    "selectors",
    "shelve",
    "shlex",
    "shutil",
    "signal",
    "site",
    "smtpd",
    "smtplib",
    "sndhdr",
    "socket",
    "socketserver",
    "spwd",
    "sqlite3",
    "sre_compile",
    "sre_constants",
    "sre_parse",
    "ssl",
    "stat",
    "statistics",
    "string",
    "stringprep",
    "struct",
    "subprocess",
    "sunau",
    "symtable",
    "sys",
    "sysconfig",
    "syslog",
    "tabnanny",
    "tarfile",
    "telnetlib",
    "tempfile",
    "termios",
    "textwrap",
    "this",
    "threading",
    "time",
    "timeit",
    "tkinter",
    "token",
    "tokenize",
    "tomllib",
    "trace",
    "traceback",
    "tracemalloc",
    "tty",
    "turtle",
    "turtledemo",
    "types",
    "typing",
    "unicodedata",
    "unittest",
    "urllib",
    "uu",
    "uuid",
    "venv",
    "warnings",
    "wave",
    "weakref",
    "webbrowser",
    "winreg",
    "winsound",
    "wsgiref",
    "xdrlib",
    "xml",
    "xmlrpc",
    "zipapp",
    "zipfile",
    "zipimport",
    "zlib",
    "zoneinfo",
};

bool mmi_is_std_name(const char *name, size_t size)
{
    size_t low = 0;
    size_t high = sizeof(std_names) / sizeof(std_names[0]);

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strncmp(std_names[middle], name, size);

        if (order == 0 && std_names[middle][size] != '\0') {
            order = 1;
        }
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return size > 0 && name[0] == '_' && name[size - 1] == '_'; /* __future__ */
}

static void *not_importable(mmi_eval *ev, const char *module)
{
    (void)mmi_fail(ev, EXC_MODULE_NOT_FOUND, "a config cannot import '%s'", module);
    (void)mm_error_hint(
        "only modules of Python's library can be imported; name parts of "
        "your own in custom_imports");
    return NULL;
}

/* A module value: ours, or a stand-in for one we do not have. */
static mm_value *find_module(mmi_eval *ev, const char *name)
{
    mm_value *module = mmi_std_module(ev, name);

    if (module != NULL || mm_has_error()) {
        return module;
    }
    return mmi_is_own_module(name) ? mmi_new_std(NULL, name) : not_importable(ev, name);
}

static bool bind(mmi_eval *ev, const mmi_alias *alias, const char *name,
                 mm_value *value)
{
    if (value != NULL) {
        (void)mmi_name_put(ev, name, value,
                           mmi_source_of(ev, alias->line, alias->column));
    }
    mm_value_unref(value);
    return !mm_has_error();
}

/* import a.b binds a; import a.b as c binds a.b */
static bool import_module(mmi_eval *ev, const mmi_alias *alias)
{
    char first[64];
    size_t size = strcspn(alias->name, ".");

    if (alias->bound != NULL) {
        return bind(ev, alias, alias->bound, find_module(ev, alias->name));
    }
    if (size >= sizeof(first)) {
        return not_importable(ev, alias->name) != NULL;
    }
    memcpy(first, alias->name, size);
    first[size] = '\0';
    return bind(ev, alias, first, find_module(ev, first));
}

/* from module import name */
static bool import_name(mmi_eval *ev, const char *module, const mmi_alias *alias)
{
    mm_value *from = find_module(ev, module);
    const mmi_std_object *object =
        from == NULL ? NULL : MMI_OBJECT(mmi_std_object, &mmi_std_ops, from);
    mm_value *value = NULL;

    if (object != NULL && object->def == NULL) {
        mm_value *name = mm_value_new_strf("%s.%s", module, alias->name);

        value = name == NULL ? NULL : mmi_new_std(NULL, mm_value_str(name));
        mm_value_unref(name);
    } else if (object != NULL) {
        value = mmi_get_attribute(ev, from, alias->name);
    }
    mm_value_unref(from);
    return bind(ev, alias, alias->bound != NULL ? alias->bound : alias->name, value);
}

/* Imports of a lazy file bind names; those of bases were bound before. */
static bool import_lazy(mmi_eval *ev, const mmi_node *node)
{
    char *module = mmi_import_key(node);

    if (module != NULL && !mm_dict_has(ev->module->bases, module)) {
        for (int32_t i = 0; i < node->u.import.num_aliases && !mm_has_error(); i++) {
            const mmi_alias *alias = &node->u.import.aliases[i];

            (void)bind(ev, alias, alias->bound != NULL ? alias->bound : alias->name,
                       mmi_new_lazy(module, alias->name));
        }
    }
    mm_free(module);
    return !mm_has_error();
}

static bool import_lazy_module(mmi_eval *ev, const mmi_node *node)
{
    const mmi_alias *alias = node->u.import.aliases;

    if (node->flag) {
        return true; /* bound before the body ran */
    }
    return alias->bound == NULL
               ? not_importable(ev, alias->name) != NULL /* inside a block */
               : bind(ev, alias, alias->bound, mmi_new_lazy(alias->name, NULL));
}

static bool is_own_import(const mmi_node *node)
{
    if (node->kind == NODE_IMPORT) {
        return mmi_is_own_module(node->u.import.aliases[0].name);
    }
    return node->u.import.level == 0 && mmi_is_own_module(node->u.import.module);
}

/* What a walk over the names of a module binds. */
struct star {
    mmi_eval *ev;
    const mmi_std_def *def;
    const mmi_node *node;
};

static void bind_star(void *user, const char *name)
{
    struct star *star = user;
    mm_value *value = mm_has_error() ? NULL : mmi_std_get(star->ev, star->def, name);

    if (value != NULL) {
        (void)mmi_name_put(star->ev, name, value, mmi_source_at(star->ev, star->node));
    }
    mm_value_unref(value);
}

/* from math import *: the names that we have. */
static bool import_star(mmi_eval *ev, const mmi_node *node)
{
    const char *module = node->u.import.module;
    mm_value *from = find_module(ev, module);
    const mmi_std_object *object =
        from == NULL ? NULL : MMI_OBJECT(mmi_std_object, &mmi_std_ops, from);
    struct star star = {ev, object == NULL ? NULL : object->def, node};

    if (star.def != NULL) {
        mmi_std_each(star.def, bind_star, &star);
    } else if (object != NULL) {
        (void)not_importable(ev, module);
    }
    mm_value_unref(from);
    return !mm_has_error();
}

bool mmi_execute_import(mmi_eval *ev, mmi_node *node)
{
    const char *module = node->u.import.module;

    if (ev->module->is_lazy && !is_own_import(node)) {
        return node->kind == NODE_IMPORT ? import_lazy_module(ev, node)
                                         : import_lazy(ev, node);
    }
    if (node->kind == NODE_IMPORT_FROM &&
        (node->u.import.level > 0 || module == NULL)) {
        return not_importable(ev, module == NULL ? "." : module) != NULL;
    }
    if (node->kind == NODE_IMPORT_FROM &&
        strcmp(node->u.import.aliases[0].name, "*") == 0) {
        return import_star(ev, node);
    }
    for (int32_t i = 0; i < node->u.import.num_aliases && !mm_has_error(); i++) {
        const mmi_alias *alias = &node->u.import.aliases[i];

        ev->at = node;
        (void)(node->kind == NODE_IMPORT ? import_module(ev, alias)
                                         : import_name(ev, module, alias));
    }
    return !mm_has_error();
}
