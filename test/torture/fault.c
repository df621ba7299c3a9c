/*
 * Loaded before the C library (LD_PRELOAD): makes calls on the database's files fail when it is told to. The file
 * named by FAULT_CONTROL is struct control, and whoever writes it is obeyed at once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, TRUNCATE = 4, READ = 8 };
enum { DATABASE = 1, LOG = 2, INDEX = 4 };

struct control {
  int32_t calls;  /* which fail: the sum of those above; 0 is none */
  int32_t files;  /* on which files */
  int32_t error;  /* with which error number */
  int32_t after;  /* so many of them work before */
  int32_t times;  /* so many of them fail */
  int32_t partly; /* a write writes half of its bytes before */
  int32_t failed; /* so many have failed */
};

static volatile struct control *control;

__attribute__((constructor)) static void begin(void) {
  const char *name = getenv("FAULT_CONTROL");
  int file = name == NULL ? -1 : open(name, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *shared = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (shared != MAP_FAILED) control = shared;
}

static int kind(int file) {
  char link[40], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  char *deleted = strstr(path, " (deleted)");
  if (deleted != NULL) *deleted = 0;
  const char *end = strrchr(path, '.');
  if (end == NULL) return 0;
  return strcmp(end, ".db") == 0 ? DATABASE : strcmp(end, ".db-wal") == 0 ? LOG : strcmp(end, ".db-shm") == 0 ? INDEX : 0;
}

/* Whether this call is to fail; errno is set then. */
static int fails(int call, int file) {
  if (control == NULL || !(control->calls & call) || !(control->files & kind(file))) return 0;
  if (__atomic_fetch_sub(&control->after, 1, __ATOMIC_SEQ_CST) > 0) return 0;
  if (__atomic_fetch_sub(&control->times, 1, __ATOMIC_SEQ_CST) <= 0) return 0;
  __atomic_fetch_add(&control->failed, 1, __ATOMIC_SEQ_CST);
  errno = control->error;
  return 1;
}

#define REAL(name, type, ...) \
  static type (*real)(__VA_ARGS__); \
  if (real == NULL) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define PWRITE(function, offset_type) \
  ssize_t function(int file, const void *bytes, size_t size, offset_type at) { \
    REAL(#function, ssize_t, int, const void *, size_t, offset_type); \
    if (fails(WRITE, file)) { \
      int error = errno; \
      if (control->partly && size > 1) real(file, bytes, size / 2, at); \
      errno = error; \
      return -1; \
    } \
    return real(file, bytes, size, at); \
  }

PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define PREAD(function, offset_type) \
  ssize_t function(int file, void *bytes, size_t size, offset_type at) { \
    REAL(#function, ssize_t, int, void *, size_t, offset_type); \
    return fails(READ, file) ? -1 : real(file, bytes, size, at); \
  }

PREAD(pread, off_t)
PREAD(pread64, off64_t)

#define TRUNCATING(function, offset_type) \
  int function(int file, offset_type size) { \
    REAL(#function, int, int, offset_type); \
    return fails(TRUNCATE, file) ? -1 : real(file, size); \
  }

TRUNCATING(ftruncate, off_t)
TRUNCATING(ftruncate64, off64_t)

#define SYNCING(function) \
  int function(int file) { \
    REAL(#function, int, int); \
    return fails(SYNC, file) ? -1 : real(file); \
  }

SYNCING(fsync)
SYNCING(fdatasync)
