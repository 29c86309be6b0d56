/* VoicePing: five fields (channel type, message type, from, to, payload) in three forms. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 5, MESSAGE_TYPE = 1, FROM = 2, PAYLOAD = 4, BINARY = 2 };

/* Of the plan's USER:TOKEN. */
static uint64_t user_of(const struct connection *connection) {
    return strtoull(connection->path, NULL, 10);
}

const char *token_of(const struct connection *connection) {
    const char *colon = strchr(connection->path, ':');
    return colon ? colon + 1 : "";
}

/* -- what goes out ---------------------------------------------------------------------- */

static size_t put_number(char *out, uint64_t number) {
    if (number < 128) {
        out[0] = number;
        return 1;
    }
    out[0] = (char)0xce;
    for (int i = 0; i < 4; i++) out[1 + i] = number >> (24 - 8 * i);
    return 5;
}

static size_t put_fields(char *out, size_t room, const uint64_t *fields) {
    size_t len = 1;
    if (form != ARRAYS)
        return snprintf(out, room, "|%llu|%llu|%llu|%llu|%llu|%s", (unsigned long long)fields[0],
                        (unsigned long long)fields[1], (unsigned long long)fields[2],
                        (unsigned long long)fields[3], (unsigned long long)fields[4],
                        form == LINES ? "\n" : "");
    out[0] = (char)(0x90 | FIELDS);
    for (int i = 0; i < FIELDS; i++) len += put_number(out + len, fields[i]);
    return len;
}

/* Say this of the connection's own user. */
void say(struct connection *connection, unsigned message_type, unsigned payload) {
    uint64_t fields[FIELDS] = {message_type == CONNECTION_TEST, message_type,
                               user_of(connection), 0, payload};
    char out[128];
    size_t len = put_fields(out, sizeof out, fields);
    if (form == LINES)
        send_all(connection, out, len);
    else
        send_frame(connection, form == ARRAYS ? BINARY : 1, out, len);
}

/* -- what comes ------------------------------------------------------------------------- */

static int take_text(const unsigned char *from, size_t len, uint64_t *fields) {
    const unsigned char *end = from + len;
    for (int i = 0; i < FIELDS; i++) {
        if (from == end || *from++ != '|' || from == end || *from < '0' || *from > '9') return 0;
        for (fields[i] = 0; from < end && *from >= '0' && *from <= '9'; from++)
            fields[i] = fields[i] * 10 + *from - '0';
    }
    return end - from == 1 && *from == '|';
}

static int take_array(const unsigned char *from, size_t len, uint64_t *fields) {
    const unsigned char *end = from + len;
    if (from == end || *from++ != (0x90 | FIELDS)) return 0;
    for (int i = 0; i < FIELDS; i++) {
        if (from == end) return 0;
        unsigned first = *from++;
        if (first < 0x80) {
            fields[i] = first;
            continue;
        }
        if (first < 0xcc || first > 0xcf || end - from < 1 << (first - 0xcc)) return 0;
        fields[i] = 0;
        for (int left = 1 << (first - 0xcc); left; left--) fields[i] = fields[i] << 8 | *from++;
    }
    return from == end;
}

/* Which update of this publisher a code is. Codes alternate: it is the one after the last
 * seen here or that one again; or, where there is no such one yet, the one before it. */
static int64_t number_of(uint32_t seen, uint32_t newest, unsigned code) {
    int64_t number = (int64_t)seen + (code_of(seen + 1) == code);
    return number > newest ? number - 2 : number;
}

static void read_status(struct connection *connection, uint64_t from, uint64_t code, int64_t now) {
    if (from == 0 || from > publisher_count) {
        count.others++;
        return;
    }
    unsigned p = from - 1;
    int64_t number = code == ONLINE || code == BUSY
        ? number_of(connection->seen[p], publishers[p].number, code) : -1;
    if (number < 0)
        count.garbled++;
    else
        note_delivery(connection, p, number, 0, now);
}

/* One message; before the answer to the test, which ends the greeting, there is a snapshot. */
void read_fields(struct connection *connection, const unsigned char *body, size_t len,
                 int64_t now) {
    uint64_t fields[FIELDS];
    int is_good = (form == ARRAYS ? take_array : take_text)(body, len, fields);
    if (connection->phase == GREETED_SOON) {
        if (is_good && fields[MESSAGE_TYPE] == CONNECTION_ACK) become_ready(connection, now);
    } else if (!is_good)
        count.garbled++;
    else if (fields[MESSAGE_TYPE] == STATUS)
        read_status(connection, fields[FROM], fields[PAYLOAD], now);
    else
        count.others++;
}
