/* The reads of the recorder, as a C program would do them: the floor that it is compared with.
 *
 * usage: recorder_loop INTERVAL_S OUT COUNTER_FILE...
 *
 * Every interval, at absolute deadlines and with the priority that the recorder asks for: pread of
 * each powercap counter, parsed, and the readings of a simulated board; both stamped before and
 * after, in rows that are written every half second. It stops when its input ends, and prints the
 * lateness of the samples as JSON.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST_FILES 32
#define MOST_SAMPLES 1000000
#define FLUSH_S 0.5

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Wait for a time; 0 when the input has ended meanwhile. */
static int sleep_until(double deadline_s)
{
    struct pollfd input = {0, POLLIN, 0};
    double left_s;
    while ((left_s = deadline_s - seconds(CLOCK_MONOTONIC)) > 0) {
        struct timespec wait = {(time_t)left_s, (long)(1e9 * (left_s - floor(left_s)))};
        if (ppoll(&input, 1, &wait, NULL) > 0)
            return 0;
    }
    return 1;
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

/* A board of constant power: a counter that steps every 20 ms, and two powers in whole mW. */
static void board(double now_s, double start_s, double *row)
{
    double steps = floor((now_s - start_s) / 0.02);
    row[0] = floor(1e3 * 100.0 * 0.02 * steps) * 1e-3;
    row[1] = round(1e3 * 100.0) * 1e-3;
    row[2] = row[1];
}

static void raise_priority(void)
{
    struct sched_param first = {1};
    if (sched_setscheduler(0, SCHED_FIFO, &first) != 0)
        (void)!nice(-10);
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
    if (argc < 4 || argc - 3 > MOST_FILES)
        return 2;
    double interval_s = atof(argv[1]), rows[4096];
    int out = open(argv[2], O_WRONLY | O_CREAT | O_APPEND, 0644);
    int counters = argc - 3, fds[MOST_FILES];
    static double late_s[MOST_SAMPLES];
    size_t filled = 0;
    long ticks = 0;

    for (int i = 0; i < counters; i++)
        fds[i] = open(argv[3 + i], O_RDONLY);
    raise_priority();
    double start_s = seconds(CLOCK_MONOTONIC), flush_at_s = start_s + FLUSH_S;
    while (ticks < MOST_SAMPLES) {
        double deadline_s = start_s + (double)(ticks + 1) * interval_s;
        if (!sleep_until(deadline_s))
            break;
        double before_s = seconds(CLOCK_MONOTONIC);
        size_t stamp = filled++;
        for (int i = 0; i < counters; i++)
            rows[filled++] = counter_j(fds[i]);
        double after_s = seconds(CLOCK_MONOTONIC);
        rows[stamp] = 0.5 * (before_s + after_s);
        stamp = filled++;
        board(after_s, start_s, rows + filled);
        filled += 3;
        rows[stamp] = 0.5 * (after_s + seconds(CLOCK_MONOTONIC));
        late_s[ticks++] = before_s - deadline_s;
        if (after_s >= flush_at_s || filled + MOST_FILES + 5 > 4096) {
            flush(out, rows, filled);
            filled = 0;
            flush_at_s = after_s + FLUSH_S;
        }
    }
    flush(out, rows, filled);
    qsort(late_s, (size_t)ticks, sizeof *late_s, by_size);
    printf("{\"samples\": %ld, \"lateness_p50_s\": %.7f, \"lateness_p99_s\": %.7f}\n", ticks,
           ticks ? late_s[ticks / 2] : NAN, ticks ? late_s[(ticks * 99) / 100] : NAN);
    return 0;
}
