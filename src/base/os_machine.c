/*
 * What the machine has and what this process may use of it. Containers limit processors
 * by affinity and by a quota of their control group; a pool as wide as the machine
 * would be stopped by the quota most of the time. Outside Linux only the plain counts
 * are known.
 */
#if defined(__linux__)
#define _GNU_SOURCE /* sched_getaffinity() */
#include <sched.h>
#else
#define _XOPEN_SOURCE 700
#endif

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/os.h"

/* The beginning of a small file, zero-terminated. False if it cannot be read. */
static bool read_small(const char *path, char *out, size_t out_size)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return false;
    }
    ssize_t size = read(descriptor, out, out_size - 1);
    close(descriptor);
    if (size <= 0) {
        return false;
    }
    out[size] = '\0';
    return true;
}

mm_status mmi_os_random(void *data, size_t size)
{
    int descriptor = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return mmi_raise_errno(errno, "open '/dev/urandom'");
    }
    mmi_file file = {descriptor};
    size_t got = 0;
    if (mmi_file_read_at(&file, -1, data, size, &got) == MM_OK && got < size) {
        mm_raise(MM_EIO, "could not read %zu random bytes", size);
    }
    close(descriptor);
    return mm_pending();
}

void mmi_os_system_text(char *out, size_t out_size)
{
    struct utsname name;
    if (out_size == 0) {
        return;
    }
    out[0] = '\0';
    if (uname(&name) >= 0) {
        snprintf(out, out_size, "%s %s %s", name.sysname, name.release, name.machine);
    }
}

#if defined(__linux__)

/* Calls visit for each folder of our control group, from ours up to the root. */
static void each_group(const char *controller,
                       void (*visit)(const char *folder, int64_t *least),
                       int64_t *least)
{
    char groups[4096];
    char path[4096];
    if (!read_small("/proc/self/cgroup", groups, sizeof groups)) {
        return;
    }
    char *rest = NULL;
    for (char *line = strtok_r(groups, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *names = strchr(line, ':');
        char *group = names != NULL ? strchr(names + 1, ':') : NULL;
        if (group == NULL) {
            continue;
        }
        *group++ = '\0';
        names++;
        bool is_unified = names[0] == '\0';
        if (!is_unified && strstr(names, controller) == NULL) {
            continue;
        }
        while (true) {
            int size = is_unified
                           ? snprintf(path, sizeof path, "/sys/fs/cgroup%s", group)
                           : snprintf(path, sizeof path, "/sys/fs/cgroup/%s%s",
                                      controller, group);
            if (size > 0 && (size_t)size < sizeof path) {
                visit(path, least);
            }
            char *slash = strrchr(group, '/');
            if (slash == NULL || group[0] == '\0') {
                break;
            }
            *slash = '\0'; /* "/a/b" to "/a" to "" */
        }
    }
}

static bool read_in(const char *folder, const char *name, char *out, size_t out_size)
{
    char path[4200];
    int size = snprintf(path, sizeof path, "%s/%s", folder, name);
    return size > 0 && (size_t)size < sizeof path && read_small(path, out, out_size);
}

static void keep_least(int64_t value, int64_t *least)
{
    if (value > 0 && value < *least) {
        *least = value;
    }
}

/* Whole processors of the quota, at least 1. */
static void visit_cpu(const char *folder, int64_t *least)
{
    char text[128];
    int64_t quota = -1;
    int64_t period = 0;
    if (read_in(folder, "cpu.max", text, sizeof text)) {
        if (sscanf(text, "%" SCNd64 " %" SCNd64, &quota, &period) != 2) {
            return; /* "max": no quota */
        }
    } else if (read_in(folder, "cpu.cfs_quota_us", text, sizeof text)) {
        quota = strtoll(text, NULL, 10);
        if (read_in(folder, "cpu.cfs_period_us", text, sizeof text)) {
            period = strtoll(text, NULL, 10);
        }
    }
    if (quota > 0 && period > 0) {
        keep_least(quota >= period ? quota / period : 1, least);
    }
}

static void visit_memory(const char *folder, int64_t *least)
{
    char text[128];
    if (read_in(folder, "memory.max", text, sizeof text) ||
        read_in(folder, "memory.limit_in_bytes", text, sizeof text)) {
        keep_least(strtoll(text, NULL, 10), least); /* "max" reads as 0: no limit */
    }
}

/* True if the processor is the first of its core's hardware threads that we may use. */
static bool is_core(int cpu, const cpu_set_t *allowed)
{
    char path[128];
    char text[256];
    snprintf(path, sizeof path,
             "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    if (!read_small(path, text, sizeof text)) {
        return true;
    }
    /* "0,32" or "0-1" */
    char *at = text;
    while (*at >= '0' && *at <= '9') {
        long first = strtol(at, &at, 10);
        long last = first;
        if (*at == '-') {
            last = strtol(at + 1, &at, 10);
        }
        for (long sibling = first; sibling <= last && sibling < cpu; sibling++) {
            if (CPU_ISSET((size_t)sibling, allowed)) {
                return false;
            }
        }
        at += *at == ',' ? 1 : 0;
    }
    return true;
}

static int count_cpus(bool cores_only)
{
    int64_t least = INT32_MAX;
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        least = online > 0 ? online : 1;
    } else {
        int count = 0;
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            if (CPU_ISSET((size_t)cpu, &allowed) &&
                (!cores_only || is_core(cpu, &allowed))) {
                count++;
            }
        }
        least = count > 0 ? count : 1;
    }
    each_group("cpu", visit_cpu, &least);
    return (int)least;
}

int mmi_os_num_cores(void)
{
    return count_cpus(true);
}

int mmi_os_num_cpus(void)
{
    return count_cpus(false);
}

int64_t mmi_os_resident_bytes(void)
{
    char text[128];
    int64_t total = 0;
    int64_t resident = 0;
    if (!read_small("/proc/self/statm", text, sizeof text) ||
        sscanf(text, "%" SCNd64 " %" SCNd64, &total, &resident) != 2) {
        return 0;
    }
    return resident * (int64_t)sysconf(_SC_PAGESIZE);
}

int64_t mmi_os_most_resident_bytes(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

int64_t mmi_os_memory_bytes(void)
{
    int64_t least = (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);
    each_group("memory", visit_memory, &least);
    return least > 0 ? least : 0;
}

void mmi_os_cpu_text(char *out, size_t out_size)
{
    char text[8192];
    if (out_size == 0) {
        return;
    }
    out[0] = '\0';
    if (!read_small("/proc/cpuinfo", text, sizeof text)) {
        return;
    }
    char *name = strstr(text, "model name");
    char *colon = name != NULL ? strchr(name, ':') : NULL;
    if (colon != NULL) {
        snprintf(out, out_size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    }
}

#else

int mmi_os_num_cores(void)
{
    return mmi_os_num_cpus();
}

int mmi_os_num_cpus(void)
{
#ifdef _SC_NPROCESSORS_ONLN
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
#else
    return 1;
#endif
}

int64_t mmi_os_resident_bytes(void)
{
    return 0;
}

int64_t mmi_os_most_resident_bytes(void)
{
    return 0;
}

int64_t mmi_os_memory_bytes(void)
{
    return 0;
}

void mmi_os_cpu_text(char *out, size_t out_size)
{
    if (out_size > 0) {
        out[0] = '\0';
    }
}

#endif
