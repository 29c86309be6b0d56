/* What the parts of the load client share; main.c says what it is. */
#ifndef LOAD_H
#define LOAD_H

#define _GNU_SOURCE
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

enum {
    CHUNK = 1 << 16,     /* one recv */
    WHOLE = 4096,        /* longer frames are no updates: only counted */
    MAX_EVENTS = 512,
    BUCKETS = 57 * 256,  /* of a histogram: 256 to each doubling, so 0.4 % wide */
    SLOW_WINDOW = 4096,  /* receive buffer of who reads slowly or not at all */
    TICK_MS = 50,
};
#define SECOND 1000000000LL
#define CONTROL UINT32_MAX
/* Edge-triggered: a socket that was emptied costs nothing more until something comes. */
#define READS (EPOLLIN | EPOLLRDHUP | EPOLLET)

enum phase { CLOSED, CONNECTING, UPGRADING, GREETED_SOON, OPEN };

/* How updates are written: Together's JSON, or VoicePing's three. */
enum form { JSON, LINES, TEXTS, ARRAYS };
enum { STATUS = 5, CONNECTION_TEST = 25, CONNECTION_ACK = 26 }; /* VoicePing's message types */
enum { OFFLINE, ONLINE, BUSY };                                 /* and its codes */

struct connection {
    int fd;
    enum phase phase;
    char kind;
    uint32_t watched; /* the events it is watched for, 0: none */
    char *path; /* of the upgrade; for VoicePing USER:TOKEN */
    unsigned *audiences;
    unsigned audience_count;
    unsigned char *rest; /* the beginning of a frame or of the answer to the upgrade */
    size_t rest_len;
    uint64_t skip;       /* bytes of a long frame that are still to come */
    int ends_greeting;   /* the long frame is the last of its first message */
    int64_t opened_at;
    uint32_t *seen;      /* by publisher: its newest update seen here */
    uint64_t *version;
    unsigned char *may_see;
};

struct publisher {
    unsigned connection;
    uint32_t number;     /* of its last update */
    unsigned audience;   /* listeners that must see each of its updates */
    unsigned waiting_for;
    int64_t sent_at;
};

struct histogram {
    uint64_t counts[BUCKETS];
};

/* What was counted since the last command began; what CHECKS names must be 0.
 * reads are the sockets read, waiting those that were ready together, summed. */
#define COUNTS(X) X(deliveries) X(to_publishers) X(to_slow) X(merged) X(others) X(bytes) X(cut) \
    X(reads) X(waiting)
#define CHECKS(X) X(lost) X(duplicated) X(out_of_order) X(leaked) X(garbled) X(stale) \
    X(disconnected)
#define FIELD(name) uint64_t name;
struct counts {
    COUNTS(FIELD)
    CHECKS(FIELD)
    uint64_t ping_bytes; /* of thousands of connections, pings come all the time */
};

/* main.c */
extern struct connection *connections;
extern struct publisher *publishers;
extern unsigned connection_count, publisher_count;
extern struct sockaddr_in server;
extern pid_t server_pid;
extern int greets, wraps;
extern enum form form;

/* commands.c */
void open_some(unsigned first, unsigned number, unsigned at_once, double seconds);
void drop_some(unsigned first, unsigned number, const char *how);
void run(unsigned w, unsigned pool, double seconds, double slow_bytes, double lost_after);
void settle(double seconds);

/* sockets.c */
extern int poller;
extern unsigned opened, failed;
extern int64_t opening_since, *ready_times;
int reads_badly(const struct connection *connection);
void watch(struct connection *connection, uint32_t events);
void end(struct connection *connection);
void end_unasked(struct connection *connection);
void send_all(struct connection *connection, const void *bytes, size_t len);
void send_frame(struct connection *connection, int opcode, const char *body, size_t len);
void introduce(struct connection *connection);
void connect_one(struct connection *connection);
void become_ready(struct connection *connection, int64_t now);

/* incoming.c */
extern int control_came;
extern unsigned *done, done_count; /* publishers whose update has come everywhere */
void note_delivery(struct connection *connection, unsigned p, uint32_t number, uint64_t version,
                   int64_t now);
void read_text(struct connection *connection, const char *body, size_t len, int64_t now);
size_t read_some(struct connection *connection, size_t most);
int turn(int wait_ms);

/* voiceping.c */
const char *token_of(const struct connection *connection);
void say(struct connection *connection, unsigned message_type, unsigned payload);
void read_fields(struct connection *connection, const unsigned char *body, size_t len,
                 int64_t now);
/* What update NUMBER says: busy is the first, and each other one. */
static inline unsigned code_of(uint32_t number) { return number % 2 ? BUSY : ONLINE; }

/* measure.c */
extern struct histogram each, last, ready;
extern struct counts count;
void die(const char *what);
void *make(size_t number, size_t size);
int64_t now_ns(void);
int64_t cpu_ns(pid_t pid);
int64_t own_cpu_ns(void);
void record(struct histogram *histogram, int64_t value);
void print_histogram(const char *name, const struct histogram *histogram);
void print_counts(void);
void forget_counts(void);

#endif
