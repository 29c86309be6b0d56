/* Connections: how they begin, send and end. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int poller;
unsigned opened, failed;
int64_t opening_since, *ready_times;

int reads_badly(const struct connection *connection) {
    return connection->kind == 'S' || connection->kind == 'D';
}

void watch(struct connection *connection, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u32 = connection - connections};
    int operation = !events ? EPOLL_CTL_DEL : connection->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (connection->watched == events) return;
    if (epoll_ctl(poller, operation, connection->fd, &event)) die("epoll_ctl");
    connection->watched = events;
}

void end(struct connection *connection) {
    if (connection->phase == CLOSED) return;
    if (connection->phase != OPEN) failed++;
    watch(connection, 0);
    close(connection->fd);
    free(connection->rest);
    connection->rest = NULL;
    connection->rest_len = connection->skip = 0;
    connection->phase = CLOSED;
}

/* The server ended it: its right with who does not read, a failure with anybody else. */
void end_unasked(struct connection *connection) {
    int is_loss = connection->phase == OPEN, is_slow = reads_badly(connection);
    count.cut += is_loss && is_slow;
    count.disconnected += is_loss && !is_slow;
    end(connection);
}

void send_all(struct connection *connection, const void *bytes, size_t len) {
    if (send(connection->fd, bytes, len, MSG_NOSIGNAL) < (ssize_t)len) end_unasked(connection);
}

void send_frame(struct connection *connection, int opcode, const char *body, size_t len) {
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    unsigned char frame[WHOLE];
    size_t head = 2;
    frame[0] = 0x80 | opcode;
    if (len < 126) {
        frame[1] = 0x80 | len;
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = len >> 8;
        frame[3] = len;
        head = 4;
    }
    memcpy(frame + head, mask, 4);
    for (size_t i = 0; i < len; i++) frame[head + 4 + i] = body[i] ^ mask[i & 3];
    send_all(connection, frame, head + 4 + len);
}

static void ask_for_upgrade(struct connection *connection) {
    char login[8300] = "", request[9000];
    if (form != JSON) snprintf(login, sizeof login, "token: %s\r\n", token_of(connection));
    int len = snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                       "Sec-WebSocket-Version: 13\r\n%s\r\n",
                       form == JSON ? connection->path : "/voiceping", ntohs(server.sin_port),
                       login);
    connection->phase = UPGRADING;
    if (send(connection->fd, request, len, MSG_NOSIGNAL) < len) end(connection);
}

static void log_in(struct connection *connection) {
    char line[8300];
    int len = snprintf(line, sizeof line, "token:%s\n", token_of(connection));
    connection->phase = GREETED_SOON;
    send_all(connection, line, len);
    if (connection->phase != CLOSED) say(connection, CONNECTION_TEST, 0);
}

/* It is connected: say who comes. */
void introduce(struct connection *connection) {
    watch(connection, READS);
    if (form == LINES)
        log_in(connection);
    else
        ask_for_upgrade(connection);
}

void connect_one(struct connection *connection) {
    int on = 1, window = SLOW_WINDOW;
    connection->opened_at = now_ns();
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connection->fd < 0) die("socket");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (reads_badly(connection))
        setsockopt(connection->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    connection->phase = CONNECTING;
    if (!connect(connection->fd, (void *)&server, sizeof server))
        introduce(connection);
    else if (errno == EINPROGRESS)
        watch(connection, EPOLLOUT);
    else
        end(connection);
}

void become_ready(struct connection *connection, int64_t now) {
    connection->phase = OPEN;
    record(&ready, now - connection->opened_at);
    ready_times[opened++] = now - opening_since;
    for (unsigned p = 0; p < publisher_count; p++) /* its first frame told it of these */
        connection->seen[p] = publishers[p].number;
    if (reads_badly(connection)) watch(connection, 0);
}
