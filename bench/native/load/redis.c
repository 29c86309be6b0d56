/* Redis: updates in JSON on one channel. Who subscribes there cannot publish, so publishers
 * do not hear one another. */
#include "load.h"

#include <stdio.h>
#include <string.h>

#define CHANNEL "u"

void subscribe(struct connection *connection) {
    const char *words = connection->kind == 'P' ? "PING\r\n" : "SUBSCRIBE " CHANNEL "\r\n";
    connection->phase = GREETED_SOON;
    send_all(connection, words, strlen(words));
}

void publish_on_channel(struct connection *connection, const char *body, int len) {
    char out[512];
    int size = snprintf(out, sizeof out,
                        "*3\r\n$7\r\nPUBLISH\r\n$1\r\n" CHANNEL "\r\n$%d\r\n%.*s\r\n", len, len, body);
    send_all(connection, out, size);
}

/* One line of the protocol, without its end. An update is a line of its own: JSON has no line
 * ends. What stands around it (lengths, names) is of no interest; answers to publishers neither.
 * Errors are. */
void read_reply(struct connection *connection, const unsigned char *line, size_t len,
                int64_t now) {
    char first = len ? line[0] : 0;
    if (first == '-')
        end_unasked(connection);
    else if (connection->phase == GREETED_SOON) {
        if (first == '+' || first == ':') become_ready(connection, now); /* PONG; subscribed */
    } else if (first == '{')
        read_text(connection, (const char *)line, len, now);
}
