/*
 * What glibc's build of the C++ library expects of its C library and musl does not have, so that the one of Debian can
 * stand in for the one of Alpine in a test.
 */
typedef unsigned long size_t;

/* The C library's own. */
extern long syscall(long, ...);
extern size_t strftime_l(char *, size_t, const char *, const void *, void *);

char __libc_single_threaded = 0;
int __cpu_model[4] = {0};

int __cpu_indicator_init(void) { return 0; }

unsigned arc4random(void) {
  unsigned number = 0;
  syscall(318 /* getrandom */, &number, sizeof number, 0);
  return number;
}

size_t __strftime_l(char *text, size_t size, const char *format, const void *time, void *locale) {
  return strftime_l(text, size, format, time, locale);
}

int __cxa_thread_atexit_impl(void (*end)(void *), void *object, void *library) {
  (void)end, (void)object, (void)library;
  return 0;
}

/* Not found: the unwinder then asks dl_iterate_phdr. */
int _dl_find_object(void *address, void *result) {
  (void)address, (void)result;
  return -1;
}
