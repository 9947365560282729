/* The load driver of the bench: sends one request over and over and tells how the answers came.
 *
 * Closed loop (the default): every connection sends its next call as soon as its last is answered. Open loop (--rate):
 * calls are due at fixed times, whether or not earlier ones are back, and latency counts from the time a call was
 * *due*, so that a server that stalls can't hide it (no "coordinated omission"). With --stream an answer is a stream of
 * server-sent events. Every answer is checked to its last byte; one that isn't right is an error, and any error makes
 * the exit code 1. What it leaves to others: TLS, names (an IPv4 address only), and judging the figures.
 */
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum {
    ANSWER_BYTES_MAX = 4 * 1024 * 1024, /* a body, or a single event of a stream */
    HEADERS_BYTES_MAX = 8 * 1024,
    SAMPLES_MAX = 8 * 1024 * 1024,
    ERRORS_MAX = 1000, /* then there is nothing left to measure */
    EVENTS_MAX = 256,
    RECEIVE_BYTES = 64 * 1024,
};
#define ANSWER_NS_MAX 30000000000ull /* an answer that takes longer is an error */

enum framing { BY_LENGTH, BY_CHUNKS, BY_CLOSE };
enum part { HEAD, BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

struct connection {
    int fd; /* -1: to be opened again */
    bool busy, writing;
    size_t sent;
    uint64_t due_ns, sent_ns;
    enum part part;
    enum framing framing;
    uint64_t left; /* bytes of the body or of the chunk */
    bool close_after;
    struct buffer head, body; /* body: all of it, or of a stream what isn't yet a whole event */
    uint64_t chunks;
    bool first_token, done;
};

struct samples {
    uint32_t *us_tenth; /* tenths of a microsecond, at most 429 s */
    size_t count;
};

static struct {
    const char *host, *path, *body_file, *header_expected;
    uint64_t port, connections, seconds_ms, calls, rate, spread_ns, chunks_expected;
    bool stream;
    char headers[HEADERS_BYTES_MAX];
} options = {.host = "127.0.0.1", .path = "/v1/chat/completions", .connections = 64, .seconds_ms = 3000};

static struct {
    uint64_t sent, ok, chunks, bytes;
    uint64_t bad_status, bad_body, broken, timed_out;
    char first_error[512];
} results;

static struct buffer request;
static struct samples latency, first_token, lag;
static struct connection *connections;
static struct sockaddr_in address;
static int poller;
static uint64_t start_ns, stop_ns, errors;

static void sample(struct samples *samples, uint64_t ns)
{
    if (samples->count == SAMPLES_MAX)
        return;
    if (!samples->us_tenth && !(samples->us_tenth = malloc(sizeof(uint32_t) * SAMPLES_MAX)))
        die("malloc");
    samples->us_tenth[samples->count++] = ns / 100 > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / 100);
}

static void note_error(uint64_t *kind, const char *what, const char *text, size_t length)
{
    ++*kind;
    if (errors++ == 0)
        snprintf(
            results.first_error, sizeof results.first_error, "%s: %.*s", what, length > 300 ? 300 : (int)length, text);
}

static void open_connection(struct connection *c)
{
    int yes = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
        die("fcntl");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll_ctl");
    c->writing = false;
}

static void close_connection(struct connection *c)
{
    close(c->fd);
    c->fd = -1;
}

static void watch(struct connection *c, bool writing)
{
    if (c->writing == writing)
        return;
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event) < 0)
        die("epoll_ctl");
    c->writing = writing;
}

static void fail(struct connection *c, uint64_t *kind, const char *what, const char *text, size_t length)
{
    note_error(kind, what, text, length);
    c->busy = false;
    close_connection(c);
}

static void send_on(struct connection *c)
{
    while (c->sent < request.length) {
        ssize_t sent = send(c->fd, request.data + c->sent, request.length - c->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            watch(c, true);
            return;
        }
        if (sent < 0) {
            fail(c, &results.broken, "send", strerror(errno), strlen(strerror(errno)));
            return;
        }
        c->sent += (size_t)sent;
    }
    watch(c, false);
}

static void begin_call(struct connection *c, uint64_t due_ns)
{
    if (c->fd < 0)
        open_connection(c);
    c->busy = true;
    c->sent = 0;
    c->part = HEAD;
    c->head.length = c->body.length = 0;
    c->chunks = 0;
    c->first_token = c->done = false;
    c->due_ns = due_ns;
    c->sent_ns = now_ns();
    results.sent++;
    if (options.rate)
        sample(&lag, c->sent_ns - due_ns);
    send_on(c);
}

static bool has(const char *data, size_t length, const char *what)
{
    return memmem(data, length, what, strlen(what)) != NULL;
}

/* Whether an event carries text: `"content":` followed by a string that isn't empty. */
static bool carries_text(const char *event, size_t length)
{
    const char *end = event + length, *at = memmem(event, length, "\"content\":", 10);
    if (!at)
        return false;
    at += 10;
    while (at < end && *at == ' ')
        at++;
    return end - at >= 2 && at[0] == '"' && at[1] != '"';
}

/* One event of a stream. NULL when it is right, else what is wrong with it. */
static const char *take_event(struct connection *c, const char *event, size_t length, uint64_t now)
{
    if (length == 0 || event[0] == ':')
        return NULL; /* a comment that keeps the connection awake */
    if (length < 6 || memcmp(event, "data: ", 6))
        return "an event without data";
    if (c->done)
        return "an event after [DONE]";
    if (length == 12 && !memcmp(event, "data: [DONE]", 12)) {
        c->done = true;
        return NULL;
    }
    if (has(event, length, "\"error\":") || event[6] != '{' || event[length - 1] != '}')
        return "an error event";
    c->chunks++;
    results.chunks++;
    if (!c->first_token && carries_text(event, length)) {
        c->first_token = true;
        sample(&first_token, now - c->due_ns);
    }
    return NULL;
}

/* Bytes of the body. NULL when they are right so far. */
static const char *take_body(struct connection *c, const char *data, size_t length, uint64_t now)
{
    if (!buffer_append(&c->body, data, length, ANSWER_BYTES_MAX))
        return "too large";
    if (!options.stream)
        return NULL;
    size_t read = 0;
    const char *end;
    while ((end = memmem(c->body.data + read, c->body.length - read, "\n\n", 2))) {
        size_t event_length = (size_t)(end - c->body.data) - read;
        const char *wrong = take_event(c, c->body.data + read, event_length, now);
        if (wrong)
            return wrong;
        read += event_length + 2;
    }
    buffer_drop(&c->body, read);
    return NULL;
}

/* The answer is complete as HTTP; is it as a chat completion? NULL when it is. */
static const char *judge(const struct connection *c)
{
    const char *body = c->body.data;
    size_t length = c->body.length;
    if (options.stream) {
        if (!c->done)
            return "a stream without [DONE]";
        if (length)
            return "a rest after [DONE]";
        if (options.chunks_expected && c->chunks != options.chunks_expected)
            return "a wrong number of chunks";
        return NULL;
    }
    if (length < 2 || body[0] != '{' || body[length - 1] != '}')
        return "no JSON object";
    if (!has(body, length, "\"chat.completion\"") || !has(body, length, "\"finish_reason\"") ||
        !has(body, length, "\"usage\""))
        return "no chat completion";
    return NULL;
}

static void end_call(struct connection *c, uint64_t now)
{
    const char *wrong = judge(c);
    if (wrong) {
        fail(c, &results.bad_body, wrong, c->body.data ? c->body.data : "", c->body.length);
        return;
    }
    results.ok++;
    sample(&latency, now - c->due_ns);
    c->busy = false;
    if (c->close_after)
        close_connection(c);
}

/* The head is complete. False when the answer is none. */
static bool take_head(struct connection *c)
{
    const char *head = c->head.data, *value;
    size_t length = c->head.length, value_length;
    if (length < 12 || memcmp(head, "HTTP/1.1 ", 9)) {
        fail(c, &results.broken, "not HTTP/1.1", head, length);
        return false;
    }
    if (memcmp(head + 9, "200", 3)) {
        fail(c, &results.bad_status, "status", head, length);
        return false;
    }
    if (options.header_expected && !find_header(head, length, options.header_expected, &value_length)) {
        fail(c, &results.bad_body, "a header is missing", head, length);
        return false;
    }
    value = find_header(head, length, "connection", &value_length);
    c->close_after = value && value_length == 5 && !strncasecmp(value, "close", 5);
    value = find_header(head, length, "transfer-encoding", &value_length);
    if (value && value_length == 7 && !strncasecmp(value, "chunked", 7)) {
        c->framing = BY_CHUNKS;
        c->part = CHUNK_SIZE;
    } else if ((value = find_header(head, length, "content-length", &value_length))) {
        c->framing = BY_LENGTH;
        c->part = BODY;
        if (!read_number(value, value_length, ANSWER_BYTES_MAX, &c->left)) {
            fail(c, &results.broken, "content-length", head, length);
            return false;
        }
    } else {
        c->framing = BY_CLOSE;
        c->part = BODY;
        c->left = NEVER;
        c->close_after = true;
    }
    c->head.length = 0;
    return true;
}

/* Collect a line of the framing in `head`. True when it is whole (without its end); *data moves on. */
static bool take_line(struct connection *c, const char **data, const char *end)
{
    const char *stop = memchr(*data, '\n', (size_t)(end - *data));
    size_t length = (size_t)((stop ? stop : end) - *data);
    buffer_append(&c->head, *data, length, HEAD_BYTES_MAX);
    *data += length + (stop ? 1 : 0);
    if (stop && c->head.length && c->head.data[c->head.length - 1] == '\r')
        c->head.length--;
    return stop != NULL;
}

static bool read_chunk_size(const struct connection *c, uint64_t *size)
{
    char text[17] = {0}, *stop;
    if (c->head.length == 0 || c->head.length > 16)
        return false;
    memcpy(text, c->head.data, c->head.length);
    *size = strtoull(text, &stop, 16);
    return *stop == '\0' || *stop == ';';
}

/* What the socket gave. Afterwards the call is over, has failed, or waits for more. */
static void take(struct connection *c, const char *data, size_t length, uint64_t now)
{
    const char *end = data + length, *wrong = NULL;
    while (c->busy && (data < end || (c->part == BODY && c->left == 0))) {
        size_t here = (size_t)(end - data);
        if (c->part == HEAD) {
            size_t before = c->head.length;
            if (!buffer_append(&c->head, data, here, HEAD_BYTES_MAX + RECEIVE_BYTES)) {
                fail(c, &results.broken, "head", "too large", 9);
                return;
            }
            const char *stop = memmem(c->head.data, c->head.length, "\r\n\r\n", 4);
            if (!stop)
                return;
            c->head.length = (size_t)(stop - c->head.data) + 4;
            data += c->head.length - before;
            if (!take_head(c))
                return;
        } else if (c->part == BODY || c->part == CHUNK_DATA) {
            size_t part = here < c->left ? here : (size_t)c->left;
            wrong = take_body(c, data, part, now);
            data += part;
            if (c->left != NEVER)
                c->left -= part;
            if (!wrong && c->left == 0) {
                if (c->part == BODY)
                    end_call(c, now);
                else
                    c->part = CHUNK_END;
            }
        } else if (take_line(c, &data, end)) {
            if (c->part == CHUNK_SIZE) {
                if (!read_chunk_size(c, &c->left))
                    wrong = "chunk size";
                c->part = c->left ? CHUNK_DATA : TRAILER;
            } else if (c->part == CHUNK_END) {
                if (c->head.length)
                    wrong = "chunk end";
                c->part = CHUNK_SIZE;
            } else if (c->head.length == 0)
                end_call(c, now);
            c->head.length = 0;
        }
        if (wrong) {
            fail(c, &results.bad_body, wrong, c->body.data ? c->body.data : "", c->body.length);
            return;
        }
    }
    if (data < end && c->fd >= 0)
        fail(c, &results.broken, "bytes after the answer", data, (size_t)(end - data));
}

static void receive(struct connection *c)
{
    static char data[RECEIVE_BYTES];
    ssize_t got = recv(c->fd, data, sizeof data, 0);
    uint64_t now = now_ns();
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0) {
        results.bytes += (uint64_t)got;
        if (c->busy)
            take(c, data, (size_t)got, now);
        else
            fail(c, &results.broken, "bytes without a call", data, (size_t)got);
        return;
    }
    if (!c->busy)
        close_connection(c); /* an idle connection may be closed by the server */
    else if (got == 0 && c->part == BODY && c->framing == BY_CLOSE)
        end_call(c, now);
    else
        fail(c, &results.broken, "connection", got ? strerror(errno) : "closed before the end", 21);
}

/* Start what is due. Returns when to look again. */
static uint64_t start_calls(uint64_t now, uint64_t *started)
{
    for (uint64_t i = 0; i < options.connections; i++) {
        struct connection *c = &connections[i];
        if (c->busy)
            continue;
        if (options.calls && *started >= options.calls)
            return NEVER;
        if (options.rate) {
            uint64_t due_ns = start_ns + *started * 1000000000u / options.rate;
            if (due_ns >= stop_ns)
                return NEVER;
            if (due_ns > now)
                return due_ns;
            ++*started;
            begin_call(c, due_ns);
        } else {
            uint64_t due_ns = start_ns + options.spread_ns * i / options.connections;
            if (now >= stop_ns)
                return NEVER;
            if (due_ns > now)
                return due_ns; /* those after it begin later still */
            ++*started;
            begin_call(c, now);
        }
        now = now_ns();
    }
    return NEVER;
}

static bool any_busy(uint64_t now)
{
    bool busy = false;
    for (uint64_t i = 0; i < options.connections; i++) {
        struct connection *c = &connections[i];
        if (c->busy && now > c->sent_ns + ANSWER_NS_MAX)
            fail(c, &results.timed_out, "answer", "took too long", 13);
        busy |= c->busy;
    }
    return busy;
}

static void run(void)
{
    struct epoll_event events[EVENTS_MAX], event = {.events = EPOLLIN, .data.ptr = NULL};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event) < 0)
        die("timer");
    uint64_t started = 0, armed_ns = NEVER, checked_ns = start_ns = now_ns();
    stop_ns = start_ns + options.seconds_ms * 1000000u;
    for (;;) {
        uint64_t now = now_ns(), next_ns = start_calls(now, &started);
        bool over = errors >= ERRORS_MAX || now >= stop_ns || (options.calls && started >= options.calls);
        if (over || now - checked_ns > 1000000000u) {
            checked_ns = now;
            if (!any_busy(now) && over && next_ns == NEVER)
                return;
        }
        if (errors >= ERRORS_MAX)
            return;
        if (next_ns == NEVER && !over)
            next_ns = stop_ns;
        if (next_ns != armed_ns)
            arm_timer(timer, armed_ns = next_ns);
        int ready = epoll_wait(poller, events, EVENTS_MAX, 1000);
        if (ready < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) {
                clear_timer(timer);
                armed_ns = NEVER;
            } else {
                if (events[i].events & EPOLLOUT && c->busy && c->fd >= 0)
                    send_on(c);
                if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && c->fd >= 0)
                    receive(c);
                if (!options.rate && !c->busy && (now = now_ns()) < stop_ns && errors < ERRORS_MAX &&
                    (!options.calls || started < options.calls)) {
                    started++;
                    begin_call(c, now); /* at once, without looking through all */
                }
            }
        }
    }
}

static int by_size(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void print_samples(const char *name, struct samples *samples)
{
    static const struct {
        const char *name;
        double share;
    } marks[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    printf(",\"%s\":", name);
    if (samples->count == 0) {
        printf("null");
        return;
    }
    qsort(samples->us_tenth, samples->count, sizeof(uint32_t), by_size);
    double sum = 0;
    for (size_t i = 0; i < samples->count; i++)
        sum += samples->us_tenth[i];
    printf("{\"count\":%zu,\"mean\":%.1f", samples->count, sum / 10 / (double)samples->count);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        printf(",\"%s\":%.1f", marks[i].name,
            samples->us_tenth[(size_t)(marks[i].share * (double)(samples->count - 1) + 0.5)] / 10.0);
    printf(",\"max\":%.1f}", samples->us_tenth[samples->count - 1] / 10.0);
}

static void print_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < 0x20 || byte > 0x7e)
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

static void print_results(double seconds)
{
    printf("{\"mode\":\"%s\",\"stream\":%s,\"connections\":%llu,\"rate\":%llu,\"seconds\":%.6f",
        options.rate ? "open" : "closed", options.stream ? "true" : "false", (unsigned long long)options.connections,
        (unsigned long long)options.rate, seconds);
    printf(",\"sent\":%llu,\"ok\":%llu,\"errors\":%llu,\"bad_status\":%llu,\"bad_body\":%llu,\"broken\":%llu,\"timed_"
           "out\":%llu",
        (unsigned long long)results.sent, (unsigned long long)results.ok, (unsigned long long)errors,
        (unsigned long long)results.bad_status, (unsigned long long)results.bad_body,
        (unsigned long long)results.broken, (unsigned long long)results.timed_out);
    printf(",\"first_error\":");
    print_text(results.first_error);
    printf(",\"calls_per_s\":%.1f,\"chunks\":%llu,\"chunks_per_s\":%.1f,\"bytes\":%llu", (double)results.ok / seconds,
        (unsigned long long)results.chunks, (double)results.chunks / seconds, (unsigned long long)results.bytes);
    print_samples("latency_us", &latency);
    print_samples("first_token_us", &first_token);
    print_samples("send_lag_us", &lag);
    printf("}\n");
}

static void add_header(const char *header)
{
    size_t used = strlen(options.headers);
    if (!header || (size_t)snprintf(options.headers + used, HEADERS_BYTES_MAX - used, "%s\r\n", header) >=
                       HEADERS_BYTES_MAX - used) {
        fprintf(stderr, "--header wants \"Name: value\", %d bytes in all\n", HEADERS_BYTES_MAX);
        exit(2);
    }
}

static void usage(void)
{
    fprintf(stderr, "usage: load --port N --body FILE [--host ADDRESS] [--path PATH] [--header \"Name: value\"]... "
                    "[--connections N]\n"
                    "            [--seconds-ms N] [--calls N] [--rate CALLS_PER_S] [--spread-ms N] [--stream] "
                    "[--expect-chunks N] [--expect-header NAME]\n");
    exit(2);
}

static void read_options(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        const char *name = arguments[i];
        if (!strcmp(name, "--stream")) {
            options.stream = true;
            continue;
        }
        const char *value = ++i < count ? arguments[i] : NULL;
        if (!strcmp(name, "--port"))
            options.port = option_number(name, value, 65535);
        else if (!strcmp(name, "--connections"))
            options.connections = option_number(name, value, CONNECTIONS_MAX);
        else if (!strcmp(name, "--seconds-ms"))
            options.seconds_ms = option_number(name, value, 86400000);
        else if (!strcmp(name, "--calls"))
            options.calls = option_number(name, value, SAMPLES_MAX);
        else if (!strcmp(name, "--rate"))
            options.rate = option_number(name, value, 10000000);
        else if (!strcmp(name, "--spread-ms"))
            options.spread_ns = option_number(name, value, 3600000) * 1000000u;
        else if (!strcmp(name, "--expect-chunks"))
            options.chunks_expected = option_number(name, value, UINT32_MAX);
        else if (!strcmp(name, "--header"))
            add_header(value);
        else if (value && !strcmp(name, "--expect-header"))
            options.header_expected = value;
        else if (value && !strcmp(name, "--host"))
            options.host = value;
        else if (value && !strcmp(name, "--path"))
            options.path = value;
        else if (value && !strcmp(name, "--body"))
            options.body_file = value;
        else
            usage();
    }
    if (!options.port || !options.body_file || !options.connections)
        usage();
}

static void make_request(void)
{
    struct buffer body = {0};
    char head[HEADERS_BYTES_MAX + 1024];
    FILE *file = fopen(options.body_file, "rb");
    if (!file)
        die(options.body_file);
    size_t got;
    do {
        if (!buffer_reserve(&body, 4096, ANSWER_BYTES_MAX))
            die("body");
        got = fread(body.data + body.length, 1, 4096, file);
        body.length += got;
    } while (got);
    fclose(file);
    int length = snprintf(head, sizeof head,
        "POST %s HTTP/1.1\r\nHost: %s:%llu\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n",
        options.path, options.host, (unsigned long long)options.port, options.headers, body.length);
    if (length < 0 || (size_t)length >= sizeof head)
        die("request head");
    buffer_append(&request, head, (size_t)length, ANSWER_BYTES_MAX);
    buffer_append(&request, body.data, body.length, ANSWER_BYTES_MAX + sizeof head);
    buffer_free(&body);
}

int main(int count, char **arguments)
{
    read_options(count, arguments);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    if (inet_pton(AF_INET, options.host, &address.sin_addr) != 1)
        die("--host wants an IPv4 address");
    make_request();
    prctl(PR_SET_TIMERSLACK, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    poller = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc(options.connections, sizeof *connections);
    if (poller < 0 || !connections)
        die("start");
    for (uint64_t i = 0; i < options.connections; i++)
        open_connection(&connections[i]);
    run();
    print_results((double)(now_ns() - start_ns) / 1e9);
    return errors || results.ok == 0 ? 1 : 0;
}
