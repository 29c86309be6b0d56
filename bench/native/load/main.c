/* The load: thousands of connections in one process, every delivery timed and checked.
 *
 *   load PLAN PORT SERVER_PID [greets] [wraps] [json|lines|texts|arrays]
 *
 * PLAN has one line per connection: KIND AUDIENCES PATH.
 *   KIND       P publisher, L listener, S reads slowly, D reads nothing once it is ready
 *   AUDIENCES  numbers with commas; who shares one with a publisher must get its updates
 *   PATH       what to ask for in the upgrade; with VoicePing USER:TOKEN, and the publishers
 *              are the users 1, 2, ...
 * greets: a connection is ready once it got a first frame, not with the upgrade.
 * wraps:  the server makes the update out of a change; else it sends on what it gets.
 * lines, texts, arrays: VoicePing over TCP, over WebSocket as text, and there as MessagePack.
 *         A connection is ready once a test that follows the login is answered.
 *
 * Commands are lines of standard input, each answered by one line of JSON:
 *   open FIRST COUNT AT_ONCE SECONDS   connect these, so many handshakes at a time
 *   drop FIRST COUNT clean|reset       end these
 *   run W POOL SECONDS SLOW_BYTES LOST_AFTER
 *                                      W updates outstanding, by the first POOL publishers in
 *                                      turn; those of kind S read SLOW_BYTES a second; what is
 *                                      still missing when nothing came for so long is lost
 *   settle SECONDS                     read everything, S and D too, until nothing comes
 *   server PID                         the server is another process now, at the same port
 * It ends with its input.
 *
 * An update is known by its custom status, "#<publisher>.<number>". VoicePing has but a code:
 * busy and online in turn, so that each listener must see these in turn, once for each update.
 * All times are CLOCK_MONOTONIC: before the send of the update, after the recv that brought it.
 */
#include "load.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct connection *connections;
struct publisher *publishers;
unsigned connection_count, publisher_count;
struct sockaddr_in server;
pid_t server_pid;
int greets, wraps;
enum form form;

static char control[4096];
static size_t control_len;

static void obey(char *line) {
    unsigned a, b, c;
    double x, y, z;
    char how[16];
    if (sscanf(line, "open %u %u %u %lf", &a, &b, &c, &x) == 4)
        open_some(a, b, c, x);
    else if (sscanf(line, "drop %u %u %15s", &a, &b, how) == 3)
        drop_some(a, b, how);
    else if (sscanf(line, "run %u %u %lf %lf %lf", &a, &b, &x, &y, &z) == 5)
        run(a, b, x, y, z);
    else if (sscanf(line, "settle %lf", &x) == 1)
        settle(x);
    else if (sscanf(line, "server %u", &a) == 1) {
        server_pid = a;
        printf("{\"server\":%u", a);
        print_counts();
    }
    else {
        fprintf(stderr, "no such command: %s\n", line);
        exit(2);
    }
}

static void hear_control(void) {
    ssize_t got = read(0, control + control_len, sizeof control - control_len - 1);
    if (got <= 0) exit(0);
    control_len += got;
    control[control_len] = 0;
    for (char *end; (end = strchr(control, '\n'));) {
        *end = 0;
        obey(control);
        control_len -= end + 1 - control;
        memmove(control, end + 1, control_len + 1);
    }
}

/* -- the plan --------------------------------------------------------------------------- */

static void read_audiences(struct connection *connection, char *text) {
    connection->audiences = make(strlen(text) / 2 + 1, sizeof *connection->audiences);
    for (char *each_one = strtok(text, ","); each_one; each_one = strtok(NULL, ","))
        connection->audiences[connection->audience_count++] = atoi(each_one);
}

static void read_plan(const char *name) {
    static char line[65536], path[32768], audiences[32768];
    FILE *plan = fopen(name, "r");
    char kind;
    unsigned room = 0;
    if (!plan) die(name);
    while (fgets(line, sizeof line, plan)) {
        if (sscanf(line, "%c %32767s %32767s", &kind, audiences, path) != 3) die("plan");
        if (connection_count == room) {
            room = room ? room * 2 : 1024;
            connections = realloc(connections, room * sizeof *connections);
            publishers = realloc(publishers, room * sizeof *publishers);
            if (!connections || !publishers) die("realloc");
        }
        struct connection *connection = &connections[connection_count];
        memset(connection, 0, sizeof *connection);
        connection->kind = kind;
        connection->path = strdup(path);
        read_audiences(connection, audiences);
        if (kind == 'P') {
            memset(&publishers[publisher_count], 0, sizeof *publishers);
            publishers[publisher_count++].connection = connection_count;
        }
        connection_count++;
    }
    fclose(plan);
}

static void find_who_may_see(void) {
    for (unsigned i = 0; i < connection_count; i++) {
        struct connection *connection = &connections[i];
        connection->seen = make(publisher_count, sizeof *connection->seen);
        connection->version = make(publisher_count, sizeof *connection->version);
        connection->may_see = make(publisher_count, 1);
        for (unsigned p = 0; p < publisher_count; p++) {
            struct connection *other = &connections[publishers[p].connection];
            for (unsigned a = 0; a < connection->audience_count; a++)
                for (unsigned b = 0; b < other->audience_count; b++)
                    if (connection->audiences[a] == other->audiences[b]) connection->may_see[p] = 1;
        }
    }
}

int main(int argc, char **argv) {
    static const char *const forms[] = {"json", "lines", "texts", "arrays"};
    struct rlimit files;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = CONTROL};
    if (argc < 4) {
        fprintf(stderr, "load PLAN PORT SERVER_PID [greets] [wraps] [FORM]\n");
        return 2;
    }
    for (int i = 4; i < argc; i++) {
        greets |= !strcmp(argv[i], "greets");
        wraps |= !strcmp(argv[i], "wraps");
        for (unsigned f = 0; f < sizeof forms / sizeof *forms; f++)
            if (!strcmp(argv[i], forms[f])) form = f;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    server.sin_family = AF_INET;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons(atoi(argv[2]));
    server_pid = atoi(argv[3]);
    poller = epoll_create1(0);
    read_plan(argv[1]);
    find_who_may_see();
    ready_times = make(connection_count, sizeof *ready_times);
    done = make(publisher_count, sizeof *done);
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &event);
    for (;;) {
        turn(-1);
        if (control_came) hear_control();
    }
}
