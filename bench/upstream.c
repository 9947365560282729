/* A fast fake of an OpenAI-compatible provider, for measuring what stands in front of it.
 *
 * One thread, one epoll loop. POST …/chat/completions is answered with a fixed completion, or with a stream of chunks
 * when the body says "stream": true. It counts what it did: GET /stats tells, and so does its last line on SIGTERM.
 * What it leaves to others: TLS, HTTP/2, chunked request bodies (411), and judging the request.
 */
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

enum {
    REQUEST_BYTES_MAX = 4 * 1024 * 1024,
    PENDING_BYTES_MAX = 1024 * 1024, /* a client that doesn't read its stream is dropped beyond this */
    PENDING_BYTES_SOFT = 64 * 1024,  /* without a delay between chunks: wait for the socket beyond this */
    EVENTS_MAX = 256,
    INPUT_TOKENS = 24,
    OUTPUT_TOKENS = 64,
};

enum state { READING, WAITING, STREAMING };

struct connection {
    int fd;
    enum state state;
    struct buffer in, out;
    uint64_t due_ns;
    struct connection *next; /* in the queue of those that wait for their time */
    bool queued, gone, close_after, include_usage;
    uint32_t watched;
    uint64_t chunks_sent;
};

/* All that wait in one queue wait equally long, so the queue is in order of time by itself. */
struct queue {
    struct connection *first, *last;
};

static struct {
    uint64_t port, latency_ns, chunks, chunk_delay_ns;
} options = {.chunks = OUTPUT_TOKENS};

static struct {
    uint64_t calls, streams, chunks, completed, abandoned, refused, connections, connections_open;
} counters;

static struct queue waiting, streaming;
static int poller, timer;
static char completion[2048];
static size_t completion_length;

static void make_completion(void)
{
    char body[1024];
    int length = snprintf(body, sizeof body,
        "{\"id\":\"chatcmpl-bench0000000000000000000001\",\"object\":\"chat.completion\",\"created\":1764000000,"
        "\"model\":\"bench-upstream\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
        "\"A gateway stands between those who ask and those who answer. It keeps the keys, counts what passes and is "
        "out of the way before anyone has noticed it.\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d,"
        "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}},"
        "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"}",
        INPUT_TOKENS, OUTPUT_TOKENS, INPUT_TOKENS + OUTPUT_TOKENS);
    completion_length = (size_t)snprintf(completion, sizeof completion,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        "x-request-id: req_bench\r\n\r\n%s",
        length, body);
}

static void enqueue(struct queue *queue, struct connection *c, uint64_t due_ns)
{
    c->due_ns = due_ns;
    c->queued = true;
    c->next = NULL;
    if (queue->last)
        queue->last->next = c;
    else
        queue->first = c;
    queue->last = c;
}

static void release(struct connection *c)
{
    buffer_free(&c->in);
    buffer_free(&c->out);
    free(c);
}

static struct connection *dequeue_due(struct queue *queue, uint64_t now)
{
    struct connection *c = queue->first;
    if (!c || c->due_ns > now)
        return NULL;
    queue->first = c->next;
    if (!queue->first)
        queue->last = NULL;
    c->queued = false;
    return c;
}

/* Close. The memory of a queued connection lives on until its turn comes. */
static void drop(struct connection *c)
{
    if (c->gone)
        return;
    if (c->state != READING)
        counters.abandoned++;
    close(c->fd);
    c->gone = true;
    counters.connections_open--;
    if (!c->queued)
        release(c);
}

static void watch(struct connection *c)
{
    uint32_t wanted = EPOLLRDHUP;
    if (c->in.length < REQUEST_BYTES_MAX)
        wanted |= EPOLLIN;
    if (c->out.length)
        wanted |= EPOLLOUT;
    if (wanted == c->watched)
        return;
    struct epoll_event event = {.events = wanted, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event) < 0)
        die("epoll_ctl");
    c->watched = wanted;
}

/* Send what waits, then `data`. False when the connection had to be dropped. */
static bool put(struct connection *c, const char *data, size_t length)
{
    if (c->out.length == 0 && length) {
        ssize_t sent = send(c->fd, data, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            drop(c);
            return false;
        }
        if (sent > 0) {
            data += sent;
            length -= (size_t)sent;
        }
    }
    if (!buffer_append(&c->out, data, length, PENDING_BYTES_MAX)) {
        drop(c);
        return false;
    }
    return true;
}

/* Write one event of a stream as a chunk of HTTP's own kind. Returns its length. */
static size_t frame(char *to, size_t room, const char *event)
{
    return (size_t)snprintf(to, room, "%zx\r\n%s\r\n", strlen(event), event);
}

static size_t chunk_event(char *to, size_t room, const char *delta, const char *finish_reason, bool include_usage)
{
    char event[1024];
    snprintf(event, sizeof event,
        "data: "
        "{\"id\":\"chatcmpl-bench0000000000000000000001\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,"
        "\"model\":\"bench-upstream\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\",\"choices\":[{"
        "\"index\":0,"
        "\"delta\":%s,\"logprobs\":null,\"finish_reason\":%s}]%s}\n\n",
        delta, finish_reason, include_usage ? ",\"usage\":null" : "");
    counters.chunks++;
    return frame(to, room, event);
}

static size_t content_chunk(struct connection *c, char *to, size_t room)
{
    static const char *const words[] = {"A", " gateway", " stands", " between", " those", " who", " ask", " and"};
    char delta[64];
    snprintf(delta, sizeof delta, "{\"content\":\"%s\"}", words[c->chunks_sent++ % (sizeof words / sizeof *words)]);
    return chunk_event(to, room, delta, "null", c->include_usage);
}

static size_t last_chunks(struct connection *c, char *to, size_t room)
{
    size_t length = chunk_event(to, room, "{}", "\"stop\"", c->include_usage);
    if (c->include_usage) {
        char event[1024];
        snprintf(event, sizeof event,
            "data: {\"id\":\"chatcmpl-bench0000000000000000000001\",\"object\":\"chat.completion.chunk\","
            "\"created\":1764000000,\"model\":\"bench-upstream\",\"service_tier\":\"default\","
            "\"system_fingerprint\":\"fp_bench\",\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%"
            "llu,"
            "\"total_tokens\":%llu,\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
            "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}}}\n\n",
            INPUT_TOKENS, (unsigned long long)options.chunks, (unsigned long long)options.chunks + INPUT_TOKENS);
        length += frame(to + length, room - length, event);
        counters.chunks++;
    }
    length += frame(to + length, room - length, "data: [DONE]\n\n");
    memcpy(to + length, "0\r\n\r\n", 5);
    return length + 5;
}

static bool finish(struct connection *c)
{
    c->state = READING;
    counters.completed++;
    if (c->close_after && c->out.length == 0) {
        drop(c);
        return false;
    }
    return true;
}

/* Send the next part of a stream: a chunk, or all that the socket takes when there is no delay. False when dropped. */
static bool stream_on(struct connection *c)
{
    char text[4096];
    for (;;) {
        bool last = c->chunks_sent == options.chunks;
        size_t length = last ? last_chunks(c, text, sizeof text) : content_chunk(c, text, sizeof text);
        if (!put(c, text, length))
            return false;
        if (last)
            return finish(c);
        if (options.chunk_delay_ns) {
            enqueue(&streaming, c, c->due_ns + options.chunk_delay_ns);
            return true;
        }
        if (c->out.length > PENDING_BYTES_SOFT)
            return true; /* goes on when the socket has room */
    }
}

static bool start_stream(struct connection *c)
{
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
        "Transfer-Encoding: chunked\r\nx-request-id: req_bench\r\n\r\n";
    char text[4096];
    size_t length = sizeof head - 1;
    memcpy(text, head, length);
    c->state = STREAMING;
    c->chunks_sent = 0;
    length += chunk_event(text + length, sizeof text - length,
        "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", "null", c->include_usage);
    if (options.chunk_delay_ns == 0 || options.chunks == 0)
        return put(c, text, length) && stream_on(c);
    length += content_chunk(
        c, text + length, sizeof text - length); /* the first word comes with the head, as it does in life */
    if (!put(c, text, length))
        return false;
    enqueue(&streaming, c, c->due_ns + options.chunk_delay_ns);
    return true;
}

/* Whether the JSON has `"name": true` with any spaces. Good enough for requests of our own making. */
static bool says_true(const char *body, size_t length, const char *name)
{
    const char *end = body + length, *found = body;
    size_t name_length = strlen(name);
    while ((found = memmem(found, (size_t)(end - found), name, name_length))) {
        const char *at = found += name_length;
        while (at < end && (*at == ' ' || *at == ':' || *at == '\n'))
            at++;
        if (end - at >= 4 && !memcmp(at, "true", 4))
            return true;
    }
    return false;
}

static bool refuse(struct connection *c, const char *status)
{
    char text[256];
    int length = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
    counters.refused++;
    if (!put(c, text, (size_t)length))
        return false;
    drop(c);
    return false;
}

static int print_counters(char *to, size_t room)
{
    return snprintf(to, room,
        "{\"calls\":%llu,\"streams\":%llu,\"chunks\":%llu,\"completed\":%llu,\"abandoned\":%llu,\"refused\":%llu,"
        "\"connections\":%llu,\"connections_open\":%llu}",
        (unsigned long long)counters.calls, (unsigned long long)counters.streams, (unsigned long long)counters.chunks,
        (unsigned long long)counters.completed, (unsigned long long)counters.abandoned,
        (unsigned long long)counters.refused, (unsigned long long)counters.connections,
        (unsigned long long)counters.connections_open);
}

static bool tell_stats(struct connection *c)
{
    char body[512], text[1024];
    int length = print_counters(body, sizeof body);
    length = snprintf(text, sizeof text,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", length, body);
    return put(c, text, (size_t)length);
}

/* Begin the answer to a call that has been read. False when dropped. */
static bool take_call(struct connection *c, const char *body, size_t length, uint64_t now)
{
    bool stream = says_true(body, length, "\"stream\"");
    counters.calls++;
    counters.streams += stream;
    c->include_usage = stream && says_true(body, length, "\"include_usage\"");
    c->state = stream ? STREAMING : WAITING;
    c->due_ns = now + options.latency_ns;
    if (options.latency_ns) {
        enqueue(&waiting, c, c->due_ns);
        return true;
    }
    if (stream)
        return start_stream(c);
    return put(c, completion, completion_length) && finish(c);
}

/* Answer the requests that have come, one after the other: the next waits until this one is answered. */
static void serve(struct connection *c, uint64_t now)
{
    while (c->state == READING && c->in.length) {
        const char *data = c->in.data;
        const char *head_end = memmem(data, c->in.length, "\r\n\r\n", 4);
        size_t value_length, head_length;
        uint64_t body_length = 0;
        if (!head_end) {
            if (c->in.length > HEAD_BYTES_MAX) {
                refuse(c, "431 Request Header Fields Too Large");
                return;
            }
            break;
        }
        head_length = (size_t)(head_end - data) + 4;
        const char *value = find_header(data, head_length, "content-length", &value_length);
        if (value && !read_number(value, value_length, REQUEST_BYTES_MAX - HEAD_BYTES_MAX, &body_length)) {
            refuse(c, "413 Content Too Large");
            return;
        }
        if (!value && find_header(data, head_length, "transfer-encoding", &value_length)) {
            refuse(c, "411 Length Required");
            return;
        }
        if (c->in.length < head_length + body_length)
            break;
        value = find_header(data, head_length, "connection", &value_length);
        c->close_after = value && value_length == 5 && !strncasecmp(value, "close", 5);
        const char *line_end = memchr(data, '\r', head_length);
        size_t line_length = (size_t)(line_end - data);
        bool alive;
        if (!strncmp(data, "GET /stats ", 11))
            alive = tell_stats(c);
        else if (!strncmp(data, "POST ", 5) && memmem(data, line_length, "/chat/completions ", 18))
            alive = take_call(c, data + head_length, body_length, now);
        else
            alive = refuse(c, "404 Not Found");
        if (!alive)
            return;
        buffer_drop(&c->in, head_length + body_length);
    }
    watch(c);
}

static void flush(struct connection *c, uint64_t now)
{
    ssize_t sent = send(c->fd, c->out.data, c->out.length, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN)
            drop(c);
        return;
    }
    buffer_drop(&c->out, (size_t)sent);
    if (c->out.length == 0 && c->state == READING && c->close_after) {
        drop(c);
        return;
    }
    if (c->out.length == 0 && c->state == STREAMING && !c->queued && !stream_on(c))
        return;
    serve(c, now);
}

static void receive(struct connection *c, uint64_t now)
{
    if (!buffer_reserve(&c->in, 16 * 1024, REQUEST_BYTES_MAX + 16 * 1024)) {
        drop(c);
        return;
    }
    ssize_t got = recv(c->fd, c->in.data + c->in.length, c->in.capacity - c->in.length, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            drop(c);
        return;
    }
    c->in.length += (size_t)got;
    serve(c, now);
}

static void run_due(uint64_t now)
{
    struct connection *c;
    while ((c = dequeue_due(&waiting, now))) {
        bool alive;
        if (c->gone) {
            release(c);
            continue;
        }
        alive = c->state == STREAMING ? start_stream(c) : put(c, completion, completion_length) && finish(c);
        if (alive)
            serve(c, now);
    }
    while ((c = dequeue_due(&streaming, now))) {
        if (c->gone)
            release(c);
        else if (stream_on(c))
            serve(c, now);
    }
}

static void accept_all(int listener)
{
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c;
        if (counters.connections_open >= CONNECTIONS_MAX || !(c = calloc(1, sizeof *c))) {
            close(fd);
            counters.refused++;
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        c->fd = fd;
        c->watched = EPOLLIN | EPOLLRDHUP;
        struct epoll_event event = {.events = c->watched, .data.ptr = c};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0)
            die("epoll_ctl");
        counters.connections++;
        counters.connections_open++;
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept");
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 4096) < 0)
        die("listen");
    if (getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        die("getsockname");
    printf("{\"port\":%d}\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void read_options(int count, char **arguments)
{
    for (int i = 1; i < count; i += 2) {
        const char *name = arguments[i], *value = i + 1 < count ? arguments[i + 1] : NULL;
        if (!strcmp(name, "--port"))
            options.port = option_number(name, value, 65535);
        else if (!strcmp(name, "--latency-us"))
            options.latency_ns = option_number(name, value, 60000000) * 1000;
        else if (!strcmp(name, "--chunks"))
            options.chunks = option_number(name, value, 1000000);
        else if (!strcmp(name, "--chunk-delay-us"))
            options.chunk_delay_ns = option_number(name, value, 60000000) * 1000;
        else {
            fprintf(stderr, "usage: upstream [--port N] [--latency-us N] [--chunks N] [--chunk-delay-us N]\n");
            exit(2);
        }
    }
}

int main(int count, char **arguments)
{
    struct epoll_event events[EVENTS_MAX], event = {.events = EPOLLIN};
    sigset_t stops;
    char text[512];

    read_options(count, arguments);
    make_completion();
    prctl(PR_SET_TIMERSLACK, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* never outlives the run that started it */
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    int signals = signalfd(-1, &stops, SFD_NONBLOCK | SFD_CLOEXEC);
    int listener = listen_on((uint16_t)options.port);
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (signals < 0 || poller < 0 || timer < 0)
        die("start");
    int *const own[] = {&listener, &signals, &timer};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        event.data.ptr = own[i];
        if (epoll_ctl(poller, EPOLL_CTL_ADD, *own[i], &event) < 0)
            die("epoll_ctl");
    }

    uint64_t armed_ns = NEVER;
    for (;;) {
        uint64_t next_ns = waiting.first ? waiting.first->due_ns : NEVER;
        if (streaming.first && streaming.first->due_ns < next_ns)
            next_ns = streaming.first->due_ns;
        if (next_ns != armed_ns)
            arm_timer(timer, armed_ns = next_ns);
        int ready = epoll_wait(poller, events, EVENTS_MAX, -1);
        if (ready < 0 && errno != EINTR)
            die("epoll_wait");
        uint64_t now = now_ns();
        for (int i = 0; i < ready; i++) {
            void *who = events[i].data.ptr;
            if (who == &signals) {
                print_counters(text, sizeof text);
                puts(text);
                return 0;
            }
            if (who == &listener)
                accept_all(listener);
            else if (who == &timer) {
                clear_timer(timer);
                armed_ns = NEVER;
            } else {
                struct connection *c = who;
                if (events[i].events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP) && c->state != READING)
                    drop(c); /* its client has left: nobody reads the rest */
                else if (events[i].events & EPOLLOUT && c->out.length)
                    flush(c, now);
                else
                    receive(c, now);
            }
        }
        run_due(now);
    }
}
