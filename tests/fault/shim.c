/* Faults between a process and its file system: a library for LD_PRELOAD, built by the tests and never shipped.

   FIXTAPE_FAULT_RULES holds rules, divided by semicolons, each a list of key=value divided by commas:

     on=write|fsync|...   calls: open write fsync fdatasync rename link ftruncate unlink mkdir, or any
     path=TEXT            of files whose path begins so (of rename and link: the new path)
     name=TEXT            ... and contains this
     do=WHAT              EIO ENOSPC EDQUOT EROFS EFBIG EINTR; SHORT; KILL; DELAY; COUNT
     at=K                 at the K-th such call, from one; without it, at each
     times=N              so many times, from there on; 0 is for ever; 1 where `at` is given
     bytes=N              of KILL and SHORT, how many bytes of the write still happen; -1 is half of them
     after=1              of KILL: once the call has happened, not before
     ms=N                 of DELAY

   Where FIXTAPE_FAULT_COUNTS names a file of 1 KiB, the calls that each rule met and the faults that it made are kept
   there as pairs of 64 bits: they outlive the process. fixtape_fault_arm(rules) sets other rules from within. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OPEN = 1, WRITE = 2, FSYNC = 4, FDATASYNC = 8, RENAME = 16, LINK = 32, FTRUNCATE = 64, UNLINK = 128, MKDIR = 256 };
enum { COUNT, ERROR, SHORT, KILL, DELAY };
#define RULES_LIMIT 16
#define TEXT_LIMIT 512

struct rule {
    int calls, what, error, after;
    long at, times, bytes, ms;
    char path[TEXT_LIMIT], name[TEXT_LIMIT];
};
struct counts {
    _Atomic uint64_t met, made;
};

static struct rule rules[RULES_LIMIT];
static _Atomic int rule_count;
static struct counts own_counts[RULES_LIMIT];
static struct counts *counts = own_counts;

static const struct {
    const char *name;
    int bit;
} call_names[] = {{"open", OPEN},     {"write", WRITE}, {"fsync", FSYNC},         {"fdatasync", FDATASYNC},
                  {"rename", RENAME}, {"link", LINK},   {"ftruncate", FTRUNCATE}, {"unlink", UNLINK},
                  {"mkdir", MKDIR},   {"any", 511}};
static const struct {
    const char *name;
    int what, error;
} fault_names[] = {{"EIO", ERROR, EIO},     {"ENOSPC", ERROR, ENOSPC}, {"EDQUOT", ERROR, EDQUOT}, {"EROFS", ERROR, EROFS},
                   {"EFBIG", ERROR, EFBIG}, {"EINTR", ERROR, EINTR}, {"SHORT", SHORT, 0},       {"KILL", KILL, 0},         {"DELAY", DELAY, 0},
                   {"COUNT", COUNT, 0}};

static void stop_with(const char *text) {
    dprintf(2, "fault shim: %s\n", text);
    _exit(99);
}

static void set(struct rule *rule, const char *key, char *value) {
    if (!strcmp(key, "on")) {
        char *left;
        for (char *name = strtok_r(value, "|", &left); name; name = strtok_r(NULL, "|", &left)) {
            int bit = 0;
            for (size_t i = 0; i < sizeof call_names / sizeof *call_names; i++)
                if (!strcmp(name, call_names[i].name)) bit = call_names[i].bit;
            if (!bit) stop_with("a call that is not known");
            rule->calls |= bit;
        }
    } else if (!strcmp(key, "do")) {
        for (size_t i = 0; i < sizeof fault_names / sizeof *fault_names; i++)
            if (!strcmp(value, fault_names[i].name)) {
                rule->what = fault_names[i].what, rule->error = fault_names[i].error;
                return;
            }
        stop_with("a fault that is not known");
    } else if (!strcmp(key, "path")) snprintf(rule->path, TEXT_LIMIT, "%s", value);
    else if (!strcmp(key, "name")) snprintf(rule->name, TEXT_LIMIT, "%s", value);
    else if (!strcmp(key, "at")) rule->at = atol(value);
    else if (!strcmp(key, "times")) rule->times = atol(value);
    else if (!strcmp(key, "bytes")) rule->bytes = atol(value);
    else if (!strcmp(key, "after")) rule->after = atoi(value);
    else if (!strcmp(key, "ms")) rule->ms = atol(value);
    else stop_with("a key that is not known");
}

void fixtape_fault_arm(const char *text) {
    char *copy = strdup(text), *left, *inner;
    int count = 0;
    rule_count = 0;
    for (char *one = strtok_r(copy, ";", &left); one; one = strtok_r(NULL, ";", &left)) {
        if (count == RULES_LIMIT) stop_with("too many rules");
        struct rule *rule = &rules[count];
        memset(rule, 0, sizeof *rule);
        rule->times = -1;
        for (char *pair = strtok_r(one, ",", &inner); pair; pair = strtok_r(NULL, ",", &inner)) {
            char *equals = strchr(pair, '=');
            if (!equals) stop_with("a rule without =");
            *equals = 0;
            set(rule, pair, equals + 1);
        }
        if (rule->times < 0) rule->times = rule->at ? 1 : 0;
        if (!rule->calls) rule->calls = 511;
        count++;
    }
    free(copy);
    const char *path = getenv("FIXTAPE_FAULT_COUNTS");
    if (path && *path) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
        void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 1024, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) stop_with("the file of counts cannot be mapped");
        syscall(SYS_close, fd);
        counts = map;
    } else counts = own_counts;
    rule_count = count;
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("FIXTAPE_FAULT_RULES");
    if (text && *text) fixtape_fault_arm(text);
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* Returns the rule whose fault is to be made at this call, or none. */
static struct rule *due(int call, const char *path) {
    struct rule *found = NULL;
    for (int i = 0; i < rule_count; i++) {
        struct rule *rule = &rules[i];
        if (!(rule->calls & call) || strncmp(path, rule->path, strlen(rule->path)) || !strstr(path, rule->name)) continue;
        long met = (long)atomic_fetch_add(&counts[i].met, 1) + 1, first = rule->at ? rule->at : 1;
        if (rule->what == COUNT || met < first || (rule->times && met >= first + rule->times) || found) continue;
        atomic_fetch_add(&counts[i].made, 1);
        found = rule;
    }
    return found;
}

/* Makes the fault of a call without bytes; returns whether the call is not to happen. */
static int refuse(struct rule *rule) {
    if (!rule) return 0;
    if (rule->what == KILL && !rule->after) die();
    if (rule->what == DELAY) {
        struct timespec wait = {rule->ms / 1000, rule->ms % 1000 * 1000000};
        nanosleep(&wait, NULL);
    }
    if (rule->what != ERROR) return 0;
    errno = rule->error;
    return 1;
}

static void finish(struct rule *rule) {
    if (rule && rule->what == KILL && rule->after) die();
}

static const char *path_of(int fd, char *buffer) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, buffer, PATH_MAX - 1);
    buffer[size < 0 ? 0 : size] = 0;
    return buffer;
}

static struct rule *due_at_fd(int call, int fd) {
    if (!rule_count) return NULL;
    char buffer[PATH_MAX];
    int kept = errno;
    struct rule *rule = due(call, path_of(fd, buffer));
    errno = kept;
    return rule;
}

static struct rule *due_at(int call, int directory, const char *path) {
    if (!rule_count || !path) return NULL;
    char buffer[2 * PATH_MAX];
    int kept = errno;
    if (*path != '/') {
        if (directory == AT_FDCWD) {
            if (!getcwd(buffer, PATH_MAX)) *buffer = 0;
        } else path_of(directory, buffer);
        size_t size = strlen(buffer);
        snprintf(buffer + size, sizeof buffer - size, "/%s", path);
        path = buffer;
    }
    struct rule *rule = due(call, path);
    errno = kept;
    return rule;
}

static size_t kept_bytes(struct rule *rule, size_t size) {
    size_t kept = rule->bytes < 0 ? size / 2 : (size_t)rule->bytes;
    return kept < size ? kept : size ? size - 1 : 0;
}

ssize_t write(int fd, const void *data, size_t size) {
    struct rule *rule = due_at_fd(WRITE, fd);
    if (rule && rule->what == KILL && !rule->after) {
        size_t kept = kept_bytes(rule, size);
        if (kept) syscall(SYS_write, fd, data, kept);
        die();
    }
    if (rule && rule->what == SHORT && size > 1) {
        size_t kept = kept_bytes(rule, size);
        size = kept ? kept : 1;
    }
    if (refuse(rule)) return -1;
    ssize_t written = syscall(SYS_write, fd, data, size);
    finish(rule);
    return written;
}

static ssize_t write_at(int fd, const void *data, size_t size, off_t offset) {
    struct rule *rule = due_at_fd(WRITE, fd);
    if (rule && rule->what == KILL && !rule->after) {
        size_t kept = kept_bytes(rule, size);
        if (kept) syscall(SYS_pwrite64, fd, data, kept, offset);
        die();
    }
    if (rule && rule->what == SHORT && size > 1) {
        size_t kept = kept_bytes(rule, size);
        size = kept ? kept : 1;
    }
    if (refuse(rule)) return -1;
    ssize_t written = syscall(SYS_pwrite64, fd, data, size, offset);
    finish(rule);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return write_at(fd, data, size, offset); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { return write_at(fd, data, size, offset); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    struct rule *rule = due_at_fd(WRITE, fd);
    if (rule && (rule->what == KILL || rule->what == SHORT) && !rule->after && count > 0 && parts[0].iov_len > 1) {
        size_t kept = kept_bytes(rule, parts[0].iov_len);
        ssize_t written = syscall(SYS_write, fd, parts[0].iov_base, kept || rule->what == KILL ? kept : 1);
        if (rule->what == KILL) die();
        return written;
    }
    if (refuse(rule)) return -1;
    ssize_t written = syscall(SYS_writev, fd, parts, count);
    finish(rule);
    return written;
}

#define PLAIN(call, directory, path, result)                      \
    struct rule *rule = due_at(call, directory, path);            \
    if (refuse(rule)) return -1;                                  \
    int done = (int)(result);                                     \
    finish(rule);                                                 \
    return done;
#define OF_FD(call, fd, result)                                   \
    struct rule *rule = due_at_fd(call, fd);                      \
    if (refuse(rule)) return -1;                                  \
    int done = (int)(result);                                     \
    finish(rule);                                                 \
    return done;

int fsync(int fd) { OF_FD(FSYNC, fd, syscall(SYS_fsync, fd)) }
int fdatasync(int fd) { OF_FD(FDATASYNC, fd, syscall(SYS_fdatasync, fd)) }
int ftruncate(int fd, off_t size) { OF_FD(FTRUNCATE, fd, syscall(SYS_ftruncate, fd, size)) }
int ftruncate64(int fd, off_t size) { OF_FD(FTRUNCATE, fd, syscall(SYS_ftruncate, fd, size)) }
int rename(const char *old, const char *new) {
    PLAIN(RENAME, AT_FDCWD, new, syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, 0))
}
int renameat(int a, const char *old, int b, const char *new) {
    PLAIN(RENAME, b, new, syscall(SYS_renameat2, a, old, b, new, 0))
}
int renameat2(int a, const char *old, int b, const char *new, unsigned flags) {
    PLAIN(RENAME, b, new, syscall(SYS_renameat2, a, old, b, new, flags))
}
int link(const char *old, const char *new) {
    PLAIN(LINK, AT_FDCWD, new, syscall(SYS_linkat, AT_FDCWD, old, AT_FDCWD, new, 0))
}
int linkat(int a, const char *old, int b, const char *new, int flags) {
    PLAIN(LINK, b, new, syscall(SYS_linkat, a, old, b, new, flags))
}
int unlink(const char *path) { PLAIN(UNLINK, AT_FDCWD, path, syscall(SYS_unlinkat, AT_FDCWD, path, 0)) }
int unlinkat(int a, const char *path, int flags) { PLAIN(UNLINK, a, path, syscall(SYS_unlinkat, a, path, flags)) }
int mkdir(const char *path, mode_t mode) { PLAIN(MKDIR, AT_FDCWD, path, syscall(SYS_mkdirat, AT_FDCWD, path, mode)) }

/* Only opening for writing is a call that faults are made at. */
static int open_at(int directory, const char *path, int flags, mode_t mode) {
    if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT)) return (int)syscall(SYS_openat, directory, path, flags, mode);
    PLAIN(OPEN, directory, path, syscall(SYS_openat, directory, path, flags, mode))
}

#define MODE                                                       \
    mode_t mode = 0;                                               \
    if (flags & (O_CREAT | __O_TMPFILE)) {                         \
        va_list more;                                              \
        va_start(more, flags);                                     \
        mode = va_arg(more, mode_t);                               \
        va_end(more);                                              \
    }

int open(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int directory, const char *path, int flags, ...) { MODE return open_at(directory, path, flags, mode); }
int openat64(int directory, const char *path, int flags, ...) { MODE return open_at(directory, path, flags | O_LARGEFILE, mode); }
