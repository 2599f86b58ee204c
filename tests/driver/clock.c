/* A wall clock that nobody should rely on: preloaded, it makes every reading of the time of day differ by years, to and fro.
 * Clocks that only go forward are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    static atomic_uint readings;
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    if (clock == CLOCK_REALTIME) time->tv_sec += (atomic_fetch_add(&readings, 1) % 2 ? 1 : -1) * 300000000L;
    return result;
}
