/* Preloaded into a worker: counts the calls that change files below a folder, logs them, and ends the process at one.

The libraries of Python packages call libc too, so they are counted with Python's own calls. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[4096];
static size_t length;
static long calls, last;
static int out = -1;

void killer_arm(const char *folder, const char *log, long number) {
    length = strlen(strncpy(root, folder, sizeof root - 1));
    out = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    calls = 0, last = number;
}

static void step(const char *call, const char *path, const char *other) {
    char line[9000];
    if (out < 0 || !path || (strncmp(path, root, length) && (!other || strncmp(other, root, length)))) return;
    if (++calls == last) {
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
        pause();
    }
    int size = snprintf(line, sizeof line, "%s\t%s\t%s\n", call, path, other ? other : "");
    syscall(SYS_write, out, line, size);
}

static void step_of(const char *call, int file) {
    char link[64], path[4096];
    if (out < 0 || file == out) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (size > 0) path[size] = 0, step(call, path, NULL);
}

static void step_at(const char *call, int folder, const char *name) {
    char link[64], path[4096];
    ssize_t size = 0;
    if (out < 0 || name[0] == '/' || folder == AT_FDCWD) { step(call, name, NULL); return; }
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    size = syscall(SYS_readlink, link, path, sizeof path - 2);
    if (size <= 0) return;
    path[size] = '/', path[size + 1] = 0;
    step(call, strncat(path, name, sizeof path - size - 2), NULL);
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)
#define ON_FILE(type, name, file, parameters, arguments) \
    type name parameters { REAL(name); step_of(#name, file); return real arguments; }
#define ON_PATH(type, name, path, other, parameters, arguments) \
    type name parameters { REAL(name); step(#name, path, other); return real arguments; }
#define ON_NAME(type, name, folder, path, parameters, arguments) \
    type name parameters { REAL(name); step_at(#name, folder, path); return real arguments; }
#define OPENING(name, parameters, folder, path, arguments) \
    int name parameters { REAL(name); va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more); \
        if (flags & (O_CREAT | O_TRUNC)) step_at("open", folder, path); return real arguments; }

ON_FILE(ssize_t, write, f, (int f, const void *b, size_t n), (f, b, n))
ON_FILE(ssize_t, pwrite, f, (int f, const void *b, size_t n, off_t o), (f, b, n, o))
ON_FILE(ssize_t, pwrite64, f, (int f, const void *b, size_t n, off64_t o), (f, b, n, o))
ON_FILE(ssize_t, writev, f, (int f, const struct iovec *v, int n), (f, v, n))
ON_FILE(ssize_t, sendfile, f, (int f, int g, off_t *o, size_t n), (f, g, o, n))
ON_FILE(ssize_t, sendfile64, f, (int f, int g, off64_t *o, size_t n), (f, g, o, n))
ON_FILE(ssize_t, copy_file_range, g, (int f, off64_t *o, int g, off64_t *p, size_t n, unsigned s), (f, o, g, p, n, s))
ON_FILE(int, ftruncate, f, (int f, off_t n), (f, n))
ON_FILE(int, ftruncate64, f, (int f, off64_t n), (f, n))
ON_FILE(int, fsync, f, (int f), (f))
ON_FILE(int, fdatasync, f, (int f), (f))
ON_FILE(size_t, fwrite, fileno(s), (const void *b, size_t n, size_t m, FILE *s), (b, n, m, s))
ON_FILE(int, fclose, fileno(s), (FILE *s), (s))
ON_PATH(int, rename, a, b, (const char *a, const char *b), (a, b))
ON_PATH(int, renameat, a, b, (int f, const char *a, int g, const char *b), (f, a, g, b))
ON_PATH(int, renameat2, a, b, (int f, const char *a, int g, const char *b, unsigned s), (f, a, g, b, s))
ON_PATH(int, link, a, b, (const char *a, const char *b), (a, b))
ON_PATH(int, linkat, a, b, (int f, const char *a, int g, const char *b, int s), (f, a, g, b, s))
ON_PATH(int, symlink, b, a, (const char *a, const char *b), (a, b))
ON_PATH(int, unlink, a, NULL, (const char *a), (a))
ON_NAME(int, unlinkat, f, a, (int f, const char *a, int s), (f, a, s))
ON_PATH(int, rmdir, a, NULL, (const char *a), (a))
ON_PATH(int, mkdir, a, NULL, (const char *a, mode_t m), (a, m))
ON_NAME(int, mkdirat, f, a, (int f, const char *a, mode_t m), (f, a, m))
OPENING(open, (const char *p, int flags, ...), AT_FDCWD, p, (p, flags, mode))
OPENING(open64, (const char *p, int flags, ...), AT_FDCWD, p, (p, flags, mode))
OPENING(openat, (int f, const char *p, int flags, ...), f, p, (f, p, flags, mode))
OPENING(openat64, (int f, const char *p, int flags, ...), f, p, (f, p, flags, mode))
