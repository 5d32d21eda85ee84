/* The reads of the recorder, as a C program would do them: the floor that it is compared with.
 *
 * usage: recorder_loop INTERVAL_S DURATION_S OUT COUNTER_FILE...
 *
 * Every interval, at absolute deadlines: pread of each powercap counter and of /proc/stat, each
 * parsed, stamped before and after, and one row appended to a buffer that is written every half
 * second. Prints processor seconds and the lateness of the samples as JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST_FILES 32
#define FLUSH_S 0.5

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void sleep_until(double deadline_s)
{
    double whole = floor(deadline_s);
    struct timespec deadline = {(time_t)whole, (long)(1e9 * (deadline_s - whole))};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR) {
    }
}

static double counter_j(int fd)
{
    char text[33];
    ssize_t got = pread(fd, text, 32, 0);
    if (got <= 0)
        return NAN;
    text[got] = '\0';
    return 1e-6 * (double)strtoull(text, NULL, 10);
}

static double busy_s(int fd)
{
    char text[257], *at = text + 3;
    unsigned long long fields[8] = {0};
    ssize_t got = pread(fd, text, 256, 0);
    if (got <= 0)
        return NAN;
    text[got] = '\0';
    for (int i = 1; i < 8; i++)
        fields[i] = strtoull(at, &at, 10);
    return 0.01 * (double)(fields[1] + fields[2] + fields[3] + fields[6] + fields[7]);
}

static int by_size(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

static void flush(int fd, const double *rows, size_t count)
{
    if (write(fd, rows, count * sizeof *rows) < 0)
        exit(3);
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc - 4 > MOST_FILES)
        return 2;
    double interval_s = atof(argv[1]), duration_s = atof(argv[2]);
    int out = open(argv[3], O_WRONLY | O_CREAT | O_APPEND, 0644);
    int stat = open("/proc/stat", O_RDONLY), counters = argc - 4, fds[MOST_FILES];
    long ticks = (long)(duration_s / interval_s), most = ticks + 1;
    double *late_s = calloc((size_t)most, sizeof *late_s);
    double rows[4096];
    size_t filled = 0;

    for (int i = 0; i < counters; i++)
        fds[i] = open(argv[4 + i], O_RDONLY);
    double cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
    double start_s = seconds(CLOCK_MONOTONIC), flush_at_s = start_s + FLUSH_S;
    for (long tick = 1; tick <= ticks; tick++) {
        double deadline_s = start_s + (double)tick * interval_s;
        sleep_until(deadline_s);
        double before_s = seconds(CLOCK_MONOTONIC);
        size_t stamp = filled++;
        for (int i = 0; i < counters; i++)
            rows[filled++] = counter_j(fds[i]);
        double after_s = seconds(CLOCK_MONOTONIC);
        rows[stamp] = 0.5 * (before_s + after_s);
        stamp = filled++;
        rows[filled++] = busy_s(stat);
        rows[stamp] = 0.5 * (after_s + seconds(CLOCK_MONOTONIC));
        late_s[tick - 1] = before_s - deadline_s;
        if (after_s >= flush_at_s || filled + MOST_FILES + 3 > 4096) {
            flush(out, rows, filled);
            filled = 0;
            flush_at_s = after_s + FLUSH_S;
        }
    }
    flush(out, rows, filled);
    cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
    double took_s = seconds(CLOCK_MONOTONIC) - start_s;
    qsort(late_s, (size_t)ticks, sizeof *late_s, by_size);
    printf("{\"samples\": %ld, \"cpu_s\": %.6f, \"cpu_share\": %.7f, \"lateness_p50_s\": %.7f, "
           "\"lateness_p99_s\": %.7f}\n",
           ticks, cpu_s, cpu_s / took_s, late_s[ticks / 2], late_s[(ticks * 99) / 100]);
    return 0;
}
