/* What comes: answers to upgrades, frames, and updates, which are checked. */
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int control_came;
unsigned *done, done_count;

static unsigned char chunk[CHUNK + WHOLE + 16];

static const char *after(const char *from, const char *end, const char *what) {
    size_t len = strlen(what);
    const char *found = memmem(from, end - from, what, len);
    return found ? found + len : NULL;
}

static uint64_t number_at(const char *from, const char *end) {
    uint64_t number = 0;
    for (; from < end && *from >= '0' && *from <= '9'; from++) number = number * 10 + *from - '0';
    return number;
}

void note_delivery(struct connection *connection, unsigned p, uint32_t number, uint64_t version,
                   int64_t now) {
    struct publisher *publisher = &publishers[p];
    uint32_t seen = connection->seen[p];
    if (!connection->may_see[p]) count.leaked++;
    if (number == seen && version > connection->version[p] && !publisher->waiting_for) {
        /* Told anew by the server itself: somebody is back, say, after a restart. */
        connection->version[p] = version;
        count.others++;
        return;
    }
    if (number == seen) count.duplicated++;
    if (number < seen || version < connection->version[p]) count.out_of_order++;
    if (number <= seen) return;
    if (number > publisher->number) {
        count.garbled++;
        return;
    }
    connection->seen[p] = number;
    connection->version[p] = version;
    if (connection->kind == 'L') {
        count.deliveries++;
        count.lost += number - seen - 1; /* a healthy listener is waited for: no gaps */
    } else {
        /* Nobody waits for a publisher either: it may skip updates of others. */
        if (reads_badly(connection)) count.merged += number - seen - 1;
        count.to_slow += reads_badly(connection);
        count.to_publishers += connection->kind == 'P';
        return;
    }
    if (number != publisher->number || !publisher->waiting_for) return;
    record(&each, now - publisher->sent_at);
    if (--publisher->waiting_for == 0) {
        record(&last, now - publisher->sent_at);
        done[done_count++] = p;
    }
}

void read_text(struct connection *connection, const char *body, size_t len, int64_t now) {
    const char *end = body + len, *text = after(body, end, "\"custom_status\":\"#");
    const char *user = after(body, end, "\"d\":{\"user_id\":\"p");
    if (!text || !user || len < 70 || !memmem(body, 60, "PRESENCE_UPDATE", 15)) {
        count.others++;
        return;
    }
    const char *dot = memchr(text, '.', end - text), *version = after(text, end, "\"v\":");
    unsigned p = number_at(text, end);
    if (!dot || !version || p >= publisher_count || number_at(user, end) != p) {
        count.garbled++;
        return;
    }
    note_delivery(connection, p, number_at(dot + 1, end), number_at(version, end), now);
}

/* A data frame of VoicePing: all are short, and in the form in which we speak. */
static void read_message(struct connection *connection, int opcode, const unsigned char *body,
                         size_t len, int64_t now) {
    if (opcode == (form == TEXTS ? 1 : 2) && len < 126)
        read_fields(connection, body, len, now);
    else if (connection->phase == OPEN)
        count.garbled++;
}

/* Returns how many bytes were used; the others are the beginning of a line. */
static size_t read_lines(struct connection *connection, unsigned char *in, size_t len,
                         int64_t now) {
    size_t used = 0;
    unsigned char *end;
    while (connection->phase > UPGRADING && (end = memchr(in + used, '\n', len - used))) {
        size_t size = end - in - used;
        read_fields(connection, in + used, size, now);
        used = end + 1 - in;
    }
    return used;
}

/* Returns how many bytes were used; the others are the beginning of a frame. */
static size_t read_frames(struct connection *connection, unsigned char *in, size_t len,
                          int64_t now) {
    size_t used = 0;
    while (connection->phase > UPGRADING && len - used >= 2) {
        unsigned char *frame = in + used;
        size_t have = len - used, head = frame[1] < 126 ? 2 : frame[1] == 126 ? 4 : 10;
        uint64_t size = frame[1];
        if (have < head) break;
        if (head == 4) size = frame[2] << 8 | frame[3];
        if (head == 10) {
            size = 0;
            for (int i = 2; i < 10; i++) size = size << 8 | frame[i];
        }
        int opcode = frame[0] & 15, is_final = frame[0] >> 7;
        if (have < head + size) {
            if (head + size <= WHOLE) break;
            connection->skip = head + size - have;
            used = len;
        } else {
            used += head + size;
        }
        if (opcode <= 2 && form != JSON)
            read_message(connection, opcode, frame + head, size, now);
        else if (opcode <= 1 && connection->phase == GREETED_SOON) {
            /* The first message may come in fragments; ready is who has the last of them. */
            connection->ends_greeting = is_final;
            if (is_final && !connection->skip) become_ready(connection, now);
        } else if (opcode == 1 && head + size <= WHOLE)
            read_text(connection, (char *)frame + head, size, now);
        else if (opcode == 1)
            count.others++;
        else if (opcode == 9) {
            count.ping_bytes += head + size;
            send_frame(connection, 10, (char *)frame + head, size);
        }
        else if (opcode == 8)
            end_unasked(connection);
    }
    return used;
}

static void keep_rest(struct connection *connection, const unsigned char *from, size_t len) {
    if (!len) {
        free(connection->rest);
        connection->rest = NULL;
    } else {
        if (!connection->rest) connection->rest = make(WHOLE, 1);
        memcpy(connection->rest, from, len);
    }
    connection->rest_len = len;
}

static size_t read_answer(struct connection *connection, unsigned char *in, size_t len,
                          int64_t now) {
    unsigned char *body = memmem(in, len, "\r\n\r\n", 4);
    if (len >= 12 && memcmp(in, "HTTP/1.1 101", 12)) {
        end(connection);
        return len;
    }
    if (!body) return 0;
    connection->phase = GREETED_SOON;
    if (form != JSON)
        say(connection, CONNECTION_TEST, 0);
    else if (!greets)
        become_ready(connection, now);
    return body + 4 - in;
}

/* Returns how many bytes came. */
size_t read_some(struct connection *connection, size_t most) {
    size_t kept = connection->rest_len, used = 0;
    ssize_t got = recv(connection->fd, chunk + WHOLE, most, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return 0;
    if (got <= 0) {
        end_unasked(connection);
        return 0;
    }
    int64_t now = now_ns();
    size_t len = got;
    unsigned char *in = chunk + WHOLE;
    count.bytes += got;
    if (connection->skip) {
        size_t skipped = connection->skip < len ? connection->skip : len;
        connection->skip -= skipped;
        in += skipped;
        len -= skipped;
        if (!connection->skip && connection->phase == GREETED_SOON && connection->ends_greeting)
            become_ready(connection, now);
    }
    if (kept) {
        in -= kept;
        len += kept;
        memcpy(in, connection->rest, kept);
    }
    if (connection->phase == UPGRADING) used = read_answer(connection, in, len, now);
    if (connection->phase > UPGRADING)
        used += (form == LINES ? read_lines : read_frames)(
            connection, in + used, len - used, now);
    if (connection->phase == CLOSED) return got;
    if (len - used > WHOLE) { /* an answer to the upgrade without an end */
        end(connection);
        return got;
    }
    if (kept || len > used) keep_rest(connection, in + used, len - used);
    return got;
}

static void serve(struct connection *connection, uint32_t events) {
    int has_ended = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    if (connection->phase == CONNECTING) {
        introduce(connection);
        return;
    }
    /* A read that was not full emptied the socket; only an end may still be behind it. */
    while (connection->watched) {
        size_t got = read_some(connection, CHUNK);
        if (!got || (got < CHUNK && !has_ended)) return;
    }
}

/* Wait at most that long, then read what came. Returns whether anything did. */
int turn(int wait_ms) {
    struct epoll_event events[MAX_EVENTS];
    int came = epoll_wait(poller, events, MAX_EVENTS, wait_ms);
    control_came = 0;
    for (int i = 0; i < came; i++) {
        if (events[i].data.u32 == CONTROL)
            control_came = 1;
        else
            serve(&connections[events[i].data.u32], events[i].events);
    }
    if (came > 0) {
        count.reads += came;
        count.waiting += (uint64_t)came * came;
    }
    return came > control_came;
}
