/* The commands, each of which prints one line of JSON. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int listens_fully(const struct connection *connection) {
    return connection->kind == 'L' && connection->phase == OPEN;
}

static void count_audiences(void) {
    for (unsigned p = 0; p < publisher_count; p++) {
        publishers[p].audience = 0;
        for (unsigned i = 0; i < connection_count; i++)
            publishers[p].audience +=
                connections[i].may_see[p] && listens_fully(&connections[i]);
    }
}

/* Begins an answer with the time since BEGAN and the CPU time since it was SERVER_CPU, OWN_CPU. */
static void print_costs(int64_t began, int64_t server_cpu, int64_t own_cpu) {
    printf("{\"wall_ns\":%lld,\"server_cpu_ns\":%lld,\"client_cpu_ns\":%lld",
           (long long)(now_ns() - began), (long long)(cpu_ns(server_pid) - server_cpu),
           (long long)(own_cpu_ns() - own_cpu));
}

void open_some(unsigned first, unsigned number, unsigned at_once, double seconds) {
    unsigned next = first, past = first + number;
    int64_t server_cpu = cpu_ns(server_pid), own_cpu = own_cpu_ns();
    opened = failed = 0;
    memset(&ready, 0, sizeof ready);
    forget_counts();
    opening_since = now_ns();
    int64_t deadline = opening_since + (int64_t)(seconds * SECOND);
    while (opened + failed < number && now_ns() < deadline) {
        /* A pause to read after some connects: those before are to be measured too. */
        for (int i = 0; i < 64 && next < past && next - first - opened - failed < at_once; i++)
            connect_one(&connections[next++]);
        turn(next < past && next - first - opened - failed < at_once ? 0 : TICK_MS);
    }
    print_costs(opening_since, server_cpu, own_cpu);
    printf(",\"opened\":%u,\"failed\":%u,\"ready_at_ns\":[", opened, number - opened);
    for (unsigned i = 0; i < opened; i++)
        printf("%s%lld", i ? "," : "", (long long)ready_times[i]);
    printf("]");
    print_histogram("ready", &ready);
    print_counts();
    count_audiences();
}

void drop_some(unsigned first, unsigned number, const char *how) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    unsigned dropped = 0;
    for (unsigned i = first; i < first + number; i++) {
        struct connection *connection = &connections[i];
        if (connection->phase == CLOSED) continue;
        dropped++;
        if (strcmp(how, "clean"))
            setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        else if (form == LINES)
            say(connection, STATUS, OFFLINE);
        else
            send_frame(connection, 8, "\x03\xe8", 2);
        if (connection->phase != CLOSED) end(connection);
    }
    printf("{\"dropped\":%u", dropped);
    forget_counts();
    print_counts();
    count_audiences();
}

static int write_json(char *body, size_t room, unsigned p, uint32_t number) {
    const char *status = number % 2 ? "dnd" : "online";
    if (wraps)
        return snprintf(body, room,
                        "{\"op\":\"PRESENCE_UPDATE\",\"d\":{\"status\":\"%s\","
                        "\"custom_status\":\"#%04u.%08u\"}}",
                        status, p, number);
    return snprintf(body, room,
                    "{\"op\":\"DISPATCH\",\"t\":\"PRESENCE_UPDATE\",\"d\":{\"user_id\":"
                    "\"p%04u\",\"status\":\"%s\",\"custom_status\":\"#%04u.%08u\","
                    "\"activity\":null},\"v\":%llu}",
                    p, status, p, number, (1ULL << 32) + number);
}

static void publish(unsigned p) {
    struct publisher *publisher = &publishers[p];
    struct connection *connection = &connections[publisher->connection];
    uint32_t number = ++publisher->number;
    char body[256];
    int len = form == JSON ? write_json(body, sizeof body, p, number) : 0;
    publisher->waiting_for = publisher->audience;
    publisher->sent_at = now_ns();
    if (form == JSON)
        send_frame(connection, 1, body, len);
    else
        say(connection, STATUS, code_of(number));
    if (!publisher->waiting_for) done[done_count++] = p;
}

static void count_lost(void) {
    for (unsigned p = 0; p < publisher_count; p++) {
        count.lost += publishers[p].waiting_for;
        publishers[p].waiting_for = 0;
    }
}

static void read_slowly(double slow_bytes, int64_t *next_at) {
    if (slow_bytes <= 0 || now_ns() < *next_at) return;
    *next_at = now_ns() + TICK_MS * 1000000LL;
    size_t most = slow_bytes * TICK_MS / 1000;
    for (unsigned i = 0; i < connection_count; i++)
        if (connections[i].kind == 'S' && connections[i].phase == OPEN)
            read_some(&connections[i], most < CHUNK ? most : CHUNK);
}

void run(unsigned w, unsigned pool, double seconds, double slow_bytes, double lost_after) {
    unsigned *idle = make(pool, sizeof *idle), idle_from = 0, idle_count = pool;
    unsigned outstanding = 0, rounds = 0;
    forget_counts();
    for (unsigned i = 0; i < pool; i++) idle[i] = i;
    int64_t slow_at = 0, server_cpu = cpu_ns(server_pid), own_cpu = own_cpu_ns(), began = now_ns();
    int64_t deadline = began + (int64_t)(seconds * SECOND), heard_at = began, now = began;
    done_count = 0;
    for (;;) {
        while (now < deadline && outstanding < w && idle_count) {
            unsigned p = idle[idle_from];
            idle_from = (idle_from + 1) % pool;
            idle_count--;
            outstanding++;
            publish(p);
        }
        while (done_count) {
            idle[(idle_from + idle_count++) % pool] = done[--done_count];
            outstanding--;
            rounds++;
        }
        now = now_ns();
        if (now < deadline && outstanding < w && idle_count) continue;
        if (!outstanding && now >= deadline) break;
        if (turn(TICK_MS)) heard_at = now;
        read_slowly(slow_bytes, &slow_at);
        if (count.disconnected || now - heard_at > (int64_t)(lost_after * SECOND)) break;
    }
    print_costs(began, server_cpu, own_cpu);
    printf(",\"rounds\":%u", rounds);
    turn(TICK_MS); /* a second copy would come now */
    count_lost();
    print_histogram("each", &each);
    print_histogram("last", &last);
    print_counts();
    free(idle);
}

/* Promise: the last state is never lost, however slowly somebody reads. */
static void count_stale(void) {
    for (unsigned i = 0; i < connection_count; i++)
        for (unsigned p = 0; p < publisher_count; p++)
            count.stale += connections[i].phase == OPEN && connections[i].kind != 'P' &&
                           connections[i].may_see[p] &&
                           connections[i].seen[p] != publishers[p].number;
}

void settle(double seconds) {
    int64_t began = now_ns(), quiet_since = began;
    forget_counts();
    for (unsigned i = 0; i < connection_count; i++)
        if (connections[i].phase == OPEN) watch(&connections[i], READS);
    while (now_ns() - quiet_since < (int64_t)(seconds * SECOND)) {
        uint64_t came = count.bytes - count.ping_bytes;
        turn(TICK_MS);
        if (count.bytes - count.ping_bytes != came) quiet_since = now_ns();
    }
    count_stale();
    unsigned open = 0;
    for (unsigned i = 0; i < connection_count; i++) {
        open += connections[i].phase == OPEN;
        if (reads_badly(&connections[i])) watch(&connections[i], 0);
    }
    printf("{\"open\":%u,\"wall_ns\":%lld", open, (long long)(now_ns() - began));
    print_counts();
}
