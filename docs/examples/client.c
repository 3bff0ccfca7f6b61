/* Greets everybody who connects to the listener "hello", and holds its lease meanwhile. */
#include "postern.h"

int main(void)
{
    static struct postern broker;
    static struct postern_listeners listeners;
    struct postern_error error;
    const char *names[] = {"hello"};

    if (postern_connect(&broker, NULL, 10000, &error) != POSTERN_OK
        || postern_get(&broker, names, 1, POSTERN_SHARED, 5000, &listeners, &error) != POSTERN_OK) {
        fprintf(stderr, "client: %s\n", error.message);
        return 69;
    }
    printf("listening on port %u\n", listeners.items[0].spec.port);
    fflush(stdout);
    for (;;) {
        int connection = accept(listeners.items[0].fd, NULL, NULL);
        if (connection < 0) continue;
        (void)!write(connection, "hello\r\n", 7);
        (void)close(connection);
    }
}
