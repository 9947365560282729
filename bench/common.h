/* What both programs of the bench need: the clock, growing buffers with a bound, and a reader of HTTP heads. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES_MAX = 32 * 1024, CONNECTIONS_MAX = 16 * 1024 };
#define NEVER UINT64_MAX

static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(2);
}

static inline uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Ask the timer to fire at a time of now_ns(), at once if that is past, or not at all for NEVER. */
static inline void arm_timer(int timer, uint64_t at_ns)
{
    struct itimerspec when = {0};
    if (at_ns != NEVER) {
        when.it_value.tv_sec = (time_t)(at_ns / 1000000000u);
        when.it_value.tv_nsec = (long)(at_ns % 1000000000u);
        if (at_ns == 0)
            when.it_value.tv_nsec = 1; /* zero would disarm it */
    }
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) < 0)
        die("timerfd_settime");
}

static inline void clear_timer(int timer)
{
    uint64_t expirations;
    if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        die("read timerfd");
}

struct buffer {
    char *data;
    size_t length, capacity;
};

/* Make room for `more` bytes. False when that would pass the bound. */
static inline bool buffer_reserve(struct buffer *buffer, size_t more, size_t size_bytes_max)
{
    size_t wanted = buffer->length + more;
    if (wanted > size_bytes_max)
        return false;
    if (wanted > buffer->capacity) {
        size_t capacity = buffer->capacity ? buffer->capacity : 4096;
        while (capacity < wanted)
            capacity *= 2;
        char *data = realloc(buffer->data, capacity);
        if (!data)
            die("realloc");
        buffer->data = data;
        buffer->capacity = capacity;
    }
    return true;
}

static inline bool buffer_append(struct buffer *buffer, const char *data, size_t length, size_t size_bytes_max)
{
    if (!buffer_reserve(buffer, length, size_bytes_max))
        return false;
    if (length)
        memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
    return true;
}

static inline void buffer_drop(struct buffer *buffer, size_t length)
{
    buffer->length -= length;
    if (buffer->length && length)
        memmove(buffer->data, buffer->data + length, buffer->length);
}

static inline void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

/* The value of a header (name in any case), without the spaces around it; NULL where the head has none. */
static inline const char *find_header(const char *head, size_t length, const char *name, size_t *value_length)
{
    size_t name_length = strlen(name);
    const char *end = head + length, *line = memchr(head, '\n', length);
    while (line && ++line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        const char *stop = next ? next : end;
        if ((size_t)(stop - line) > name_length && line[name_length] == ':' && !strncasecmp(line, name, name_length)) {
            const char *value = line + name_length + 1;
            while (value < stop && (*value == ' ' || *value == '\t'))
                value++;
            while (stop > value && (stop[-1] == '\r' || stop[-1] == ' '))
                stop--;
            *value_length = (size_t)(stop - value);
            return value;
        }
        line = next;
    }
    return NULL;
}

/* A whole decimal number. False for anything else, and for what is larger than `most`. */
static inline bool read_number(const char *text, size_t length, uint64_t most, uint64_t *number)
{
    uint64_t value = 0;
    if (length == 0 || length > 18)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *number = value;
    return value <= most;
}

/* An option's value as a number; ends the program with a sentence when it isn't one. */
static inline uint64_t option_number(const char *name, const char *text, uint64_t most)
{
    uint64_t number;
    if (!text || !read_number(text, strlen(text), most, &number)) {
        fprintf(stderr, "%s wants a whole number up to %llu\n", name, (unsigned long long)most);
        exit(2);
    }
    return number;
}

#endif
