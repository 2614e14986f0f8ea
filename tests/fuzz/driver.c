/* Runs a fuzz target without libFuzzer: every file below the folders given, then simple
 * mutations of them for some seconds. usage: PROGRAM SECONDS FOLDER...
 * An input that ends the process, or takes half a minute, is left as crash-input in the
 * working folder. */
#include "fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "mmengine/file.h"

enum { MAX_INPUT = 4096, MAX_SEEDS = 2000, MOST_SECONDS = 30 };

struct input {
    uint8_t *data;
    size_t size;
};

static struct input seeds[MAX_SEEDS];
static size_t num_seeds;
static uint64_t state = 0x9E3779B97F4A7C15u;

static uint64_t draw(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below == 0 ? 0 : (state >> 11) % below;
}

static const uint8_t *now_data;
static size_t now_size;

/* Leaves the present input behind. Only what a signal handler may call. */
static void keep_input(int signal_number)
{
    int file = open("crash-input", O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (file >= 0) {
        (void)!write(file, now_data, now_size);
        (void)close(file);
    }
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

static void run(const uint8_t *data, size_t size)
{
    now_data = data;
    now_size = size;
    (void)alarm(MOST_SECONDS);
    (void)LLVMFuzzerTestOneInput(data, size);
}

static void watch(void)
{
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        (void)signal(signals[i], keep_input);
    }
}

static void add_seed(const char *path)
{
    size_t size = 0;
    char *data = mm_file_read(path, &size);

    if (data == NULL || num_seeds == MAX_SEEDS) {
        (void)fprintf(stderr, "could not read '%s'\n", path);
        exit(1);
    }
    seeds[num_seeds].data = malloc(size + 1);
    seeds[num_seeds].size = size;
    memcpy(seeds[num_seeds++].data, data, size);
    mm_free(data);
}

static void add_folder(const char *folder)
{
    mm_value *names = mm_list_dir(folder);

    if (names == NULL) {
        (void)fprintf(stderr, "could not list '%s'\n", folder);
        exit(1);
    }
    for (size_t i = 0; i < mm_value_len(names); i++) {
        char *path = mm_path_join(folder, mm_value_str(mm_list_get(names, i)));

        if (mm_file_is_dir(path)) {
            add_folder(path);
        } else {
            add_seed(path);
        }
        mm_free(path);
    }
    mm_value_unref(names);
}

/* Cuts, doubles, swaps in bytes, or joins with a part of another seed. */
static size_t mutate(uint8_t *out)
{
    static const char special[] = "()[]{}:,.'\"\\\n\t #=*&!|>-+%@`$_0x1e";
    const struct input *seed = &seeds[draw(num_seeds)];
    const struct input *other = &seeds[draw(num_seeds)];
    size_t size = seed->size < MAX_INPUT ? seed->size : MAX_INPUT;

    memcpy(out, seed->data, size);
    for (uint64_t rounds = 1 + draw(6); rounds > 0; rounds--) {
        size_t at = (size_t)draw(size + 1);
        size_t end = at + (size_t)draw(size - at + 1);
        size_t count = end - at;

        switch (draw(5)) {
        case 0: /* cut */
            memmove(out + at, out + end, size - end);
            size -= count;
            break;
        case 1: /* double */
            if (size + count <= MAX_INPUT) {
                memmove(out + end, out + at, size - at);
                size += count;
            }
            break;
        case 2: /* a byte that means something */
            if (at < size) {
                out[at] = (uint8_t)special[draw(sizeof(special) - 1)];
            }
            break;
        case 3:
            if (at < size) {
                out[at] = (uint8_t)draw(256);
            }
            break;
        default: /* the rest of another seed */
            end = (size_t)draw(other->size + 1);
            count = other->size - end;
            count = count < MAX_INPUT - at ? count : MAX_INPUT - at;
            memcpy(out + at, other->data + end, count);
            size = at + count;
            break;
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    static uint8_t bytes[MAX_INPUT];
    double seconds = argc > 2 ? strtod(argv[1], NULL) : 0.0;
    time_t begin = time(NULL);
    uint64_t count = 0;

    if (argc < 3) {
        (void)fprintf(stderr, "usage: %s SECONDS FOLDER...\n", argv[0]);
        return 2;
    }
    watch();
    for (int i = 2; i < argc; i++) {
        add_folder(argv[i]);
    }
    for (size_t i = 0; i < num_seeds; i++) {
        run(seeds[i].data, seeds[i].size);
    }
    while (difftime(time(NULL), begin) < seconds) {
        run(bytes, mutate(bytes));
        count++;
    }
    (void)printf("%zu seeds, %llu mutations\n", num_seeds, (unsigned long long)count);
    for (size_t i = 0; i < num_seeds; i++) {
        free(seeds[i].data);
    }
    return 0;
}
