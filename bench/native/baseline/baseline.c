/* The baseline: the least a server can do to tell N WebSockets of one update.
 *
 *   baseline [--joined]
 *
 * Listens on a free port of 127.0.0.1 and prints it. Who asks for /listen is a
 * listener; each text frame of anybody else is sent on, as it is, to every
 * listener of the same audiences: one send() per listener and update, in a
 * plain loop over a list made beforehand. /listen?3,7 and /publish?7 are in
 * the audiences of these numbers, without any it is audience 0. With --joined
 * there is one audience, and all that one turn of the event loop brought goes
 * out to it as one send().
 *
 * No users, no rules, no store, no limits, no tokens, nothing is ever merged.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FDS = 1 << 20, MAX_IN = 16384, MAX_EVENTS = 512, MAX_AUDIENCES = 1 << 16 };

struct list {
    struct peer **peers;
    size_t count, cap;
};

struct buffer {
    unsigned char *bytes;
    size_t len, cap;
};

struct peer {
    int fd; /* first what telling it needs */
    int is_upgraded;
    struct buffer out; /* what the kernel did not take */
    unsigned char *in; /* what came and is not yet a whole request or frame */
    size_t in_len;
    unsigned *audiences;
    size_t audience_count;
    struct list told; /* who hears of it, each once, as of the change of that number */
    unsigned told_since;
    unsigned found_in; /* the last search that found it */
};

static struct peer *peers[MAX_FDS];
static struct list audiences[MAX_AUDIENCES];
static unsigned changes = 1, searches;
static struct buffer joined;
static int is_joining, poller;

/* The load client always sends the sample key of RFC 6455, so the answer is constant. */
static const char ACCEPT[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void *grow(void *old, size_t size) {
    void *grown = realloc(old, size);
    if (!grown) die("realloc");
    return grown;
}

static void watch(struct peer *peer, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.fd = peer->fd};
    if (epoll_ctl(poller, operation, peer->fd, &event)) die("epoll_ctl");
}

static void add(struct buffer *buffer, const unsigned char *data, size_t len) {
    if (buffer->len + len > buffer->cap) {
        buffer->cap = (buffer->len + len) * 2;
        buffer->bytes = grow(buffer->bytes, buffer->cap);
    }
    memcpy(buffer->bytes + buffer->len, data, len);
    buffer->len += len;
}

static void keep_unsent(struct peer *peer, const unsigned char *data, size_t len) {
    if (!peer->out.len) watch(peer, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    add(&peer->out, data, len);
}

static void send_or_keep(struct peer *peer, const unsigned char *data, size_t len) {
    if (peer->out.len) {
        keep_unsent(peer, data, len);
        return;
    }
    ssize_t sent = send(peer->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        if (errno != EAGAIN) return; /* its end is read later */
        sent = 0;
    }
    if ((size_t)sent < len) keep_unsent(peer, data + sent, len - sent);
}

static void send_kept(struct peer *peer) {
    struct buffer *out = &peer->out;
    ssize_t sent = send(peer->fd, out->bytes, out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) return;
    out->len -= sent;
    memmove(out->bytes, out->bytes + sent, out->len);
    if (!out->len) watch(peer, EPOLL_CTL_MOD, EPOLLIN);
}

static void append(struct list *list, struct peer *peer) {
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        list->peers = grow(list->peers, list->cap * sizeof *list->peers);
    }
    list->peers[list->count++] = peer;
}

static void find_listeners(struct peer *publisher) {
    publisher->told.count = 0;
    publisher->told_since = changes;
    searches++;
    for (size_t i = 0; i < publisher->audience_count; i++) {
        struct list *audience = &audiences[publisher->audiences[i]];
        for (size_t j = 0; j < audience->count; j++) {
            struct peer *listener = audience->peers[j];
            if (listener->found_in == searches) continue;
            listener->found_in = searches;
            append(&publisher->told, listener);
        }
    }
}

static void tell_all(struct list *told, const unsigned char *data, size_t len) {
    for (size_t i = 0; i < told->count; i++) send_or_keep(told->peers[i], data, len);
}

static void publish(struct peer *publisher, const unsigned char *payload, size_t len) {
    unsigned char frame[MAX_IN + 4];
    size_t head = 2;
    frame[0] = 0x81;
    if (len < 126) {
        frame[1] = len;
    } else {
        frame[1] = 126;
        frame[2] = len >> 8;
        frame[3] = len;
        head = 4;
    }
    memcpy(frame + head, payload, len);
    if (is_joining) {
        add(&joined, frame, head + len);
        return;
    }
    if (publisher->told_since != changes) find_listeners(publisher);
    tell_all(&publisher->told, frame, head + len);
}

/* Returns how many bytes the first whole frame took, 0 where there is none. */
static size_t take_frame(struct peer *peer, unsigned char *in, size_t len) {
    if (len < 6) return 0;
    size_t size = in[1] & 127, head = 2;
    if (size == 126) {
        if (len < 8) return 0;
        size = in[2] << 8 | in[3];
        head = 4;
    }
    if (len < head + 4 + size) return 0;
    unsigned char *mask = in + head, *payload = mask + 4;
    for (size_t i = 0; i < size; i++) payload[i] ^= mask[i & 3];
    if ((in[0] & 15) == 1) publish(peer, payload, size);
    return head + 4 + size;
}

/* Reads the numbers after the '?' of the path, in a request that ends with 0. */
static void take_audiences(struct peer *peer, const char *request) {
    const char *path = strchr(request, '/'), *end = path ? path + strcspn(path, " \r") : NULL;
    const char *at = path ? memchr(path, '?', end - path) : NULL;
    do {
        char *after = NULL;
        unsigned long number = at ? strtoul(at + 1, &after, 10) : 0;
        errno = EINVAL;
        if (number >= MAX_AUDIENCES) die("audience");
        size_t size = (peer->audience_count + 1) * sizeof *peer->audiences;
        peer->audiences = grow(peer->audiences, size);
        peer->audiences[peer->audience_count++] = number;
        at = after;
    } while (at && *at == ',');
}

static void upgrade(struct peer *peer) {
    unsigned char *end = memmem(peer->in, peer->in_len, "\r\n\r\n", 4);
    if (!end) return;
    peer->is_upgraded = 1;
    *end = 0; /* what follows the request line starts with a space or line end */
    take_audiences(peer, (char *)peer->in);
    if (!memcmp(peer->in, "GET /listen", 11)) {
        for (size_t i = 0; i < peer->audience_count; i++)
            append(&audiences[peer->audiences[i]], peer);
        changes++;
    }
    send_or_keep(peer, (const unsigned char *)ACCEPT, sizeof ACCEPT - 1);
    size_t used = end + 4 - peer->in;
    peer->in_len -= used;
    memmove(peer->in, peer->in + used, peer->in_len);
}

static void leave(struct list *audience, struct peer *peer) {
    for (size_t i = 0; i < audience->count; i++)
        if (audience->peers[i] == peer) audience->peers[i] = audience->peers[--audience->count];
}

static void forget(struct peer *peer) {
    for (size_t i = 0; i < peer->audience_count; i++) leave(&audiences[peer->audiences[i]], peer);
    changes++;
    close(peer->fd);
    peers[peer->fd] = NULL;
    free(peer->in);
    free(peer->out.bytes);
    free(peer->audiences);
    free(peer->told.peers);
    free(peer);
}

static void read_from(struct peer *peer) {
    if (!peer->in) peer->in = grow(NULL, MAX_IN);
    ssize_t got = recv(peer->fd, peer->in + peer->in_len, MAX_IN - peer->in_len, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        forget(peer);
        return;
    }
    peer->in_len += got;
    if (!peer->is_upgraded) upgrade(peer);
    size_t used = 0, taken;
    while (peer->is_upgraded && (taken = take_frame(peer, peer->in + used, peer->in_len - used)))
        used += taken;
    peer->in_len -= used;
    memmove(peer->in, peer->in + used, peer->in_len);
    if (!peer->in_len) { /* an idle connection holds no buffer */
        free(peer->in);
        peer->in = NULL;
    }
}

static void accept_all(int door) {
    int fd, on = 1;
    while ((fd = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct peer *peer = calloc(1, sizeof *peer);
        if (!peer || fd >= MAX_FDS) die("too many");
        peer->fd = fd;
        peers[fd] = peer;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(peer, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int open_door(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (door < 0 || bind(door, (void *)&address, size) || listen(door, 65535)) die("listen");
    getsockname(door, (void *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return door;
}

int main(int argc, char **argv) {
    struct rlimit files;
    struct epoll_event events[MAX_EVENTS];
    is_joining = argc > 1 && !strcmp(argv[1], "--joined");
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(0);
    int door = open_door();
    struct epoll_event event = {.events = EPOLLIN, .data.fd = door};
    epoll_ctl(poller, EPOLL_CTL_ADD, door, &event);
    for (;;) {
        int count = epoll_wait(poller, events, MAX_EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct peer *peer = peers[events[i].data.fd];
            if (events[i].data.fd == door) {
                accept_all(door);
                continue;
            }
            if (peer && events[i].events & EPOLLOUT) send_kept(peer);
            if (peer && events[i].events & ~EPOLLOUT) read_from(peer);
        }
        if (joined.len) tell_all(&audiences[0], joined.bytes, joined.len);
        joined.len = 0;
    }
}
