#!/bin/sh
# Checks the sources: our own rules (tools/lint), layout (clang-format 14), static checks
# (clang-tidy 14). The last two are passed over, and said to be, where they are not
# installed; `tools/setup.sh --dev` gets them.
#
#   tools/lint.sh [--fix] [--rules] [--tidy] [--deep]
#
#   --fix    let clang-format change the files instead of complaining
#   --rules  our own rules and the layout only
#   --tidy   clang-tidy only
#   --deep   clang-tidy only, with clang's analyzer: a second a file, and it suspects
#            NULL wherever the error model rules it out, so a human reads the findings
#
# Exit status: 0 clean, 1 findings.
set -eu
. "$(dirname "$0")/lib.sh"

fix=no rules=yes tidy=yes deep=''
for option in "$@"; do
    case $option in
    --fix) fix=yes ;;
    --rules) tidy=no ;;
    --tidy) rules=no ;;
    --deep)
        rules=no
        deep='--checks=-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.*'
        ;;
    *)
        mm_say "usage: tools/lint.sh [--fix] [--rules] [--tidy] [--deep]" >&2
        exit 2
        ;;
    esac
done

cd "$mm_root"
work=$mm_root/build/lint
mkdir -p "$work"
failed=0

# Files of the tree that somebody wrote for the tree: not the samples that tests feed to
# parsers, not reference output of other programs.
list_files() {
    if [ -e .git ] && mm_have git; then
        git ls-files --cached --others --exclude-standard
    else
        find . -type f ! -path './build*/*' ! -path './work_dirs/*' ! -path './.git/*' |
            sed 's|^\./||'
    fi | grep -v -E '(^|/)(cases|golden|corpus)/|^LICENSE$' | sort -u
}

# Ours is one small C program without dependencies, so it is built right here.
build_rules() {
    if [ -x "$work/mm_lint" ] &&
        [ -z "$(find tools/lint -name '*.[ch]' -newer "$work/mm_lint")" ]; then
        return 0
    fi
    # The compiler may be several words.
    # shellcheck disable=SC2086
    ${CC:-cc} -std=c17 -O1 -o "$work/mm_lint" tools/lint/*.c ||
        mm_die "could not build tools/lint"
}

check_rules() {
    build_rules
    "$work/mm_lint" "$mm_root" <"$work/files" || failed=1
}

check_layout() {
    if ! mm_find_clang clang-format || [ "$mm_tool_version" != 14 ]; then
        mm_say "lint: layout not checked: no clang-format 14 (found: ${mm_tool_version:-none})"
        return 0
    fi
    # The README's program keeps the lines it has there.
    grep -E '\.(c|h|cpp)$' "$work/files" | grep -vxF examples/train_own_model.c \
        >"$work/layout" || return 0
    if [ "$fix" = yes ]; then
        xargs "$mm_tool" -i <"$work/layout"
    elif ! xargs "$mm_tool" --dry-run --Werror <"$work/layout" 2>"$work/layout.log"; then
        grep 'error:' "$work/layout.log" | awk -F: '!seen[$1]++ {print $1 ":" $2 ": layout: run tools/lint.sh --fix"}'
        failed=1
    fi
}

# A file is checked again when it, a header, or the rules have changed since; what passed
# leaves a mark in build/tidy.
check_tidy() {
    if ! mm_find_clang clang-tidy || [ "$mm_tool_version" != 14 ]; then
        mm_say "lint: static checks not run: no clang-tidy 14 (found: ${mm_tool_version:-none})"
        return 0
    fi
    if ! mm_load_record; then
        mm_say "lint: static checks not run: not set up for TORCH=${TORCH:-auto}"
        return 0
    fi
    commands=$(tools/build.sh --dir "${PRESET:-release}")
    if [ ! -f "$commands/compile_commands.json" ]; then
        mm_say "lint: static checks not run: $commands is not configured (run make)"
        return 0
    fi
    marks=$mm_root/build/tidy
    mkdir -p "$marks"
    # Paths in the tree hold no blanks.
    # shellcheck disable=SC2012
    newest=$(grep -E '\.h$|^\.clang-tidy$' "$work/files" | xargs ls -t | sed -n 1p)
    # Headers of libtorch take half a minute a file: the bridge is checked by hand.
    grep -E '^(src|zoo)/.*\.c$' "$work/files" | while read -r file; do
        mark=$marks/$(printf '%s' "$file" | tr / _).ok
        if [ -n "$deep" ] || [ ! -f "$mark" ] || [ -n "$(find "$file" "$newest" -newer "$mark")" ]; then
            printf '%s %s\n' "$file" "$mark"
        fi
    done >"$work/tidy"
    total=$(awk 'END {print NR}' "$work/tidy")
    mm_say "lint: clang-tidy, $total files to check"
    [ "$total" -gt 0 ] || return 0
    # The inner shell expands these.
    # shellcheck disable=SC2016
    MM_TIDY=$mm_tool MM_COMMANDS=$commands MM_DEEP=$deep xargs -P "$(mm_cores)" -n 2 sh -c '
        if out=$("$MM_TIDY" --quiet -p "$MM_COMMANDS" $MM_DEEP "$0" 2>&1); then
            [ -n "$MM_DEEP" ] || : >"$1"
        else
            printf "%s\n" "$out" | grep -v "warnings\? generated"
            exit 1
        fi' <"$work/tidy" || failed=1
}

list_files >"$work/files"
if [ "$rules" = yes ]; then
    check_rules
    check_layout
fi
if [ "$tidy" = yes ]; then
    check_tidy
fi
if [ $failed = 0 ]; then
    mm_say "lint: clean"
fi
exit $failed
