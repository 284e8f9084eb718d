/* Preloaded into a process and all its children: counts the mutating file calls below one folder,
 * over all processes together, and at the n-th kills, tears a write, or fails with an errno.
 *
 *   cc -O2 -shared -fPIC -o faultfs.so faultfs.c -ldl
 *
 * The environment variable FAULTFS names a file that holds `struct control`, shared by everybody.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, KILL, TORN, FAIL };
#define NAMES 16384
#define NAME 96

struct control {
    uint64_t calls;   /* so far */
    uint64_t at;      /* call that is hit */
    int32_t armed;    /* 0: nothing is counted */
    int32_t what;
    int32_t number;   /* errno */
    int32_t sticky;   /* whether later calls fail as well */
    int32_t everyone; /* a kill ends whoever makes a further call, and `runner` */
    int32_t fired;
    int32_t owner;    /* process whose calls do not count */
    int32_t runner;
    char root[256];
    char names[NAMES][NAME];
};

static struct control *control;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTFS");
    if (!path) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (map != MAP_FAILED) control = map;
}

static void die(void) {
    control->fired = 1;
    if (control->everyone && control->runner > 0) syscall(SYS_kill, control->runner, SIGKILL);
    syscall(SYS_kill, (pid_t)syscall(SYS_getpid), SIGKILL);
    for (;;) pause();
}

static int counts(const char *path) {
    if (!control || !control->armed || (int32_t)syscall(SYS_getpid) == control->owner) return 0;
    size_t length = strlen(control->root);
    return length && strncmp(path, control->root, length) == 0;
}

/* Counts a call; returns the errno it must fail with, 0 for none, -1 to tear it. */
static int before(const char *name, const char *path, int takes_space) {
    if (!counts(path)) return 0;
    if (control->fired && control->everyone) die();
    uint64_t n = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
    if (n <= NAMES) snprintf(control->names[n - 1], NAME, "%s %.80s", name, path + strlen(control->root));
    int here = n == control->at;
    if (control->what == KILL && here) die();
    if (control->what == TORN && here) return -1;
    if (control->what == FAIL && (here || (control->sticky && n > control->at))) {
        if (control->number == EIO || takes_space) {
            control->fired = 1;
            return control->number;
        }
    }
    return 0;
}

static const char *of_fd(int fd, char *buffer) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, buffer, 4095);
    buffer[n > 0 ? n : 0] = 0;
    return buffer;
}

static const char *at(int folder, const char *path, char *buffer) {
    if (path[0] == '/') return path;
    if (folder == AT_FDCWD) {
        if (!getcwd(buffer, 2048)) buffer[0] = 0;
    } else {
        of_fd(folder, buffer);
    }
    size_t n = strlen(buffer);
    snprintf(buffer + n, 4096 - n, "/%s", path);
    return buffer;
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define HIT(failed, name, path, space) \
    do { \
        int number = before(name, path, space); \
        if (number > 0) { errno = number; return failed; } \
    } while (0)

/* Opening counts where it makes or empties a file. */
static int opening(int folder, const char *path, int flags) {
    char buffer[4096];
    const char *whole;
    if (!control || !control->armed || !(flags & (O_CREAT | O_TRUNC))) return 0;
    whole = at(folder, path, buffer);
    if (!(flags & O_TRUNC) && faccessat(AT_FDCWD, whole, F_OK, 0) == 0) return 0;
    return before("create", whole, 1);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, #name, const char *, int, ...); \
        va_list list; va_start(list, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list); \
        int number = opening(AT_FDCWD, path, flags); \
        if (number > 0) { errno = number; return -1; } \
        return real(path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(int, #name, int, const char *, int, ...); \
        va_list list; va_start(list, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list); \
        int number = opening(folder, path, flags); \
        if (number > 0) { errno = number; return -1; } \
        return real(folder, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

#define TORN_WRITE(half) \
    do { if (number < 0) { half; die(); } if (number > 0) { errno = number; return -1; } } while (0)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    char buffer[4096];
    int number = control && control->armed ? before("write", of_fd(fd, buffer), 1) : 0;
    TORN_WRITE(real(fd, data, size / 2));
    return real(fd, data, size);
}
#define PWRITE(name, offset_t) \
    ssize_t name(int fd, const void *data, size_t size, offset_t offset) { \
        REAL(ssize_t, #name, int, const void *, size_t, offset_t); \
        char buffer[4096]; \
        int number = control && control->armed ? before("write", of_fd(fd, buffer), 1) : 0; \
        TORN_WRITE(real(fd, data, size / 2, offset)); \
        return real(fd, data, size, offset); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define ON_FD(result, name, label, space, parameters, ...) \
    result name parameters { \
        REAL(result, #name, ON_FD_TYPES_##name); \
        char buffer[4096]; \
        if (control && control->armed) HIT(-1, label, of_fd(fd, buffer), space); \
        return real(__VA_ARGS__); \
    }
#define ON_FD_TYPES_fsync int
#define ON_FD_TYPES_fdatasync int
#define ON_FD_TYPES_ftruncate int, off_t
#define ON_FD_TYPES_ftruncate64 int, off64_t
#define ON_FD_TYPES_fchmod int, mode_t
#define ON_FD_TYPES_writev int, const struct iovec *, int
#define ON_FD_TYPES_sendfile int, int, off_t *, size_t
#define ON_FD_TYPES_sendfile64 int, int, off64_t *, size_t
ON_FD(int, fsync, "fsync", 1, (int fd), fd)
ON_FD(int, fdatasync, "fsync", 1, (int fd), fd)
ON_FD(int, ftruncate, "truncate", 0, (int fd, off_t size), fd, size)
ON_FD(int, ftruncate64, "truncate", 0, (int fd, off64_t size), fd, size)
ON_FD(int, fchmod, "chmod", 0, (int fd, mode_t mode), fd, mode)
ON_FD(ssize_t, writev, "write", 1, (int fd, const struct iovec *v, int n), fd, v, n)
ON_FD(ssize_t, sendfile, "write", 1, (int fd, int in, off_t *from, size_t n), fd, in, from, n)
ON_FD(ssize_t, sendfile64, "write", 1, (int fd, int in, off64_t *from, size_t n), fd, in, from, n)

ssize_t copy_file_range(int in, off64_t *from, int fd, off64_t *to, size_t n, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    char buffer[4096];
    if (control && control->armed) HIT(-1, "write", of_fd(fd, buffer), 1);
    return real(in, from, fd, to, n, flags);
}

#define FALLOCATE(name, offset_t) \
    int name(int fd, offset_t from, offset_t size) { \
        REAL(int, #name, int, offset_t, offset_t); \
        char buffer[4096]; \
        int number = control && control->armed ? before("allocate", of_fd(fd, buffer), 1) : 0; \
        return number > 0 ? number : real(fd, from, size); \
    }
FALLOCATE(posix_fallocate, off_t)
FALLOCATE(posix_fallocate64, off64_t)

#define ON_PATH(name, label, space, parameters, types, path, ...) \
    int name parameters { \
        REAL(int, #name, types); \
        char buffer[4096]; \
        if (control && control->armed) HIT(-1, label, path, space); \
        return real(__VA_ARGS__); \
    }
#define L(...) __VA_ARGS__
ON_PATH(mkdir, "mkdir", 1, (const char *p, mode_t m), L(const char *, mode_t), at(AT_FDCWD, p, buffer), p, m)
ON_PATH(mkdirat, "mkdir", 1, (int d, const char *p, mode_t m), L(int, const char *, mode_t), at(d, p, buffer), d, p, m)
ON_PATH(rmdir, "remove", 0, (const char *p), L(const char *), at(AT_FDCWD, p, buffer), p)
ON_PATH(unlink, "remove", 0, (const char *p), L(const char *), at(AT_FDCWD, p, buffer), p)
ON_PATH(unlinkat, "remove", 0, (int d, const char *p, int f), L(int, const char *, int), at(d, p, buffer), d, p, f)
ON_PATH(rename, "rename", 1, (const char *p, const char *q), L(const char *, const char *), at(AT_FDCWD, q, buffer), p, q)
ON_PATH(renameat, "rename", 1, (int d, const char *p, int e, const char *q), L(int, const char *, int, const char *), at(e, q, buffer), d, p, e, q)
ON_PATH(renameat2, "rename", 1, (int d, const char *p, int e, const char *q, unsigned f), L(int, const char *, int, const char *, unsigned), at(e, q, buffer), d, p, e, q, f)
ON_PATH(link, "link", 1, (const char *p, const char *q), L(const char *, const char *), at(AT_FDCWD, q, buffer), p, q)
ON_PATH(linkat, "link", 1, (int d, const char *p, int e, const char *q, int f), L(int, const char *, int, const char *, int), at(e, q, buffer), d, p, e, q, f)
ON_PATH(symlink, "link", 1, (const char *p, const char *q), L(const char *, const char *), at(AT_FDCWD, q, buffer), p, q)
ON_PATH(chmod, "chmod", 0, (const char *p, mode_t m), L(const char *, mode_t), at(AT_FDCWD, p, buffer), p, m)
ON_PATH(fchmodat, "chmod", 0, (int d, const char *p, mode_t m, int f), L(int, const char *, mode_t, int), at(d, p, buffer), d, p, m, f)
ON_PATH(truncate, "truncate", 0, (const char *p, off_t n), L(const char *, off_t), at(AT_FDCWD, p, buffer), p, n)
