/* Records what a program does to files below one folder, in order, and can make the disk fail. Preloaded into the
 * program whose power is to be cut.
 *
 * RECORD_BELOW  the folder; RECORD_TO  the file for the records (with neither set, nothing is recorded)
 * FAIL_FULL     while this file exists, writes fail with ENOSPC
 * FAIL_SYNC     while this file exists, fsync and fdatasync fail with EIO
 *
 * One lock is held around each call and its record, so that the order of records is the order of effects. A record:
 *   kind (1 byte), a (8 bytes), b (8 bytes), length (8 bytes), length bytes of text or data; numbers little-endian
 *   'O' open            a inode                      text path          'W' write      a inode  b offset   data
 *   'T' truncate        a inode  b length                               'S' fsync      a inode
 *   'D' fdatasync       a inode                                         'R' rename     text from NUL to
 *   'U' unlink, rmdir   text path                                       'M' mkdir      a inode  text path
 *   'A' what the program printed                     data
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int records = -1;
static const char *below;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_open)(const char *, int, ...);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off64_t);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_rmdir)(const char *);
static int (*real_unlinkat)(int, const char *, int);
static int (*real_mkdir)(const char *, mode_t);

__attribute__((constructor)) static void start(void) {
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_open = dlsym(RTLD_NEXT, "open64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_rmdir = dlsym(RTLD_NEXT, "rmdir");
    real_unlinkat = dlsym(RTLD_NEXT, "unlinkat");
    real_mkdir = dlsym(RTLD_NEXT, "mkdir");
    below = getenv("RECORD_BELOW");
    const char *to = getenv("RECORD_TO");
    if (below && to) records = real_open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static int failing(const char *name) {
    const char *path = getenv(name);
    return path && access(path, F_OK) == 0;
}

static void record(char kind, uint64_t a, uint64_t b, const void *data, uint64_t length) {
    char head[25];
    head[0] = kind;
    memcpy(head + 1, &a, 8);
    memcpy(head + 9, &b, 8);
    memcpy(head + 17, &length, 8);
    if (real_write(records, head, sizeof head) != (ssize_t)sizeof head) abort();
    for (uint64_t done = 0; done < length;) {
        ssize_t n = real_write(records, (const char *)data + done, length - done);
        if (n <= 0) abort();
        done += n;
    }
}

/* The inode of a recorded file or folder, 0 for any other. */
static uint64_t inode_of(int fd) {
    if (records < 0 || fd < 0) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    struct stat about;
    if (strncmp(path, below, strlen(below)) != 0 || fstat(fd, &about) != 0) return 0;
    return about.st_ino;
}

static int is_below(const char *path) {
    return records >= 0 && strncmp(path, below, strlen(below)) == 0;
}

static int open_recorded(const char *path, int flags, mode_t mode) {
    pthread_mutex_lock(&lock);
    int fd = real_open(path, flags, mode);
    int saved = errno;
    uint64_t inode = fd >= 0 && (flags & O_CREAT) && is_below(path) ? inode_of(fd) : 0;
    if (inode) record('O', inode, 0, path, strlen(path));
    if (inode && (flags & O_TRUNC)) record('T', inode, 0, "", 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return fd;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_recorded(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_recorded(path, flags, mode);
}

static int no_room(uint64_t inode) {
    if (!inode || !failing("FAIL_FULL")) return 0;
    errno = ENOSPC;
    return 1;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    pthread_mutex_lock(&lock);
    uint64_t inode = inode_of(fd);
    ssize_t n = no_room(inode) ? -1 : real_pwrite(fd, data, length, offset);
    int saved = errno;
    if (inode && n > 0) record('W', inode, offset, data, n);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return n;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    return pwrite64(fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length) {
    pthread_mutex_lock(&lock);
    uint64_t inode = inode_of(fd);
    off_t offset = inode ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t n = no_room(inode) ? -1 : real_write(fd, data, length);
    int saved = errno;
    if (inode && n > 0) record('W', inode, offset, data, n);
    if (fd == STDOUT_FILENO && records >= 0 && n > 0) record('A', 0, 0, data, n);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return n;
}

static int synced(int fd, char kind, int (*real)(int)) {
    pthread_mutex_lock(&lock);
    uint64_t inode = inode_of(fd);
    int answer, saved;
    if (inode && failing("FAIL_SYNC")) {
        answer = -1;
        saved = EIO;
    } else {
        answer = real(fd);
        saved = errno;
        if (inode && answer == 0) record(kind, inode, 0, "", 0);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return answer;
}

int fsync(int fd) { return synced(fd, 'S', real_fsync); }
int fdatasync(int fd) { return synced(fd, 'D', real_fdatasync); }

int ftruncate64(int fd, off64_t length) {
    pthread_mutex_lock(&lock);
    int answer = real_ftruncate(fd, length);
    int saved = errno;
    uint64_t inode = inode_of(fd);
    if (inode && answer == 0) record('T', inode, length, "", 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return answer;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int rename(const char *from, const char *to) {
    pthread_mutex_lock(&lock);
    int answer = real_rename(from, to);
    int saved = errno;
    if (answer == 0 && is_below(from)) {
        char text[8192];
        int n = snprintf(text, sizeof text, "%s%c%s", from, 0, to);
        record('R', 0, 0, text, n);
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    return answer;
}

static int removed(const char *path, int answer, int saved) {
    if (answer == 0 && is_below(path)) record('U', 0, 0, path, strlen(path));
    pthread_mutex_unlock(&lock);
    errno = saved;
    return answer;
}

int unlink(const char *path) {
    pthread_mutex_lock(&lock);
    int answer = real_unlink(path);
    return removed(path, answer, errno);
}

int rmdir(const char *path) {
    pthread_mutex_lock(&lock);
    int answer = real_rmdir(path);
    return removed(path, answer, errno);
}

/* Removal of whole folders goes this way; the load does none below the recorded folder, and says so if it does. */
int unlinkat(int folder, const char *path, int flags) {
    if (inode_of(folder) || is_below(path)) {
        fprintf(stderr, "record.c: unlinkat(%s) is not recorded\n", path);
        abort();
    }
    return real_unlinkat(folder, path, flags);
}

int mkdir(const char *path, mode_t mode) {
    pthread_mutex_lock(&lock);
    int answer = real_mkdir(path, mode);
    int saved = errno;
    struct stat about;
    if (answer == 0 && is_below(path) && stat(path, &about) == 0) record('M', about.st_ino, 0, path, strlen(path));
    pthread_mutex_unlock(&lock);
    errno = saved;
    return answer;
}
