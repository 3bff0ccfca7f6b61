/* The C client under test: `verdicts FILE...`, or `ask SOCKET NAME...`; see README.md. */
#define _DEFAULT_SOURCE
#include "postern.h"

#include <dirent.h>

/* Reads a vector: its first line into `head`, the packet into `packet`; the packet's length. */
static size_t read_vector(const char *path, char *head, size_t size, char *packet, size_t room)
{
    FILE *file = fopen(path, "r");
    size_t length = 0;
    int byte;
    if (!file || !fgets(head, (int)size, file)) exit(70);
    head[strcspn(head, "\n")] = 0;
    while ((byte = fgetc(file)) != EOF) {
        if (byte == '\n') continue;
        if (byte == '\\') {
            byte = fgetc(file);
            if (byte == 'n') {
                byte = '\n';
            } else if (byte == 'x') {
                char digits[3] = {(char)fgetc(file), (char)fgetc(file), 0};
                byte = (int)strtol(digits, NULL, 16);
            }
        }
        if (length == room) exit(70);
        packet[length++] = (char)byte;
    }
    (void)fclose(file);
    return length;
}

static void print_packet(const char *text, size_t length, int is_reply)
{
    struct postern_packet packet, lines;
    struct postern_text key, value;
    const char *error = postern__open_packet(&packet, text, length, is_reply);
    int result = 0;
    if (!error) {
        lines = packet;
        while ((result = postern__next_line(&lines, &key, &value, &error)) > 0) {}
        if (result == 0) error = NULL;
    }
    if (error) {
        printf("%s", error);
        return;
    }
    printf("ok %.*s %.*s", (int)packet.word.length, packet.word.start, (int)packet.tag.length, packet.tag.start);
    while (postern__next_line(&packet, &key, &value, &error) > 0) {
        printf("|%.*s=", (int)key.length, key.start);
        if (value.length > 100) printf("<%zu>", value.length);
        else printf("%.*s", (int)value.length, value.start);
    }
}

static void print_grant(const char *text, size_t length, char *asked)
{
    static struct postern_listeners listeners;
    const char *names[POSTERN_MAX_NAMES], *error;
    struct postern_packet packet;
    size_t count = 0;
    for (char *name = strtok(asked, ","); name; name = strtok(NULL, ",")) names[count++] = name;
    error = postern__parse_reply(&packet, text, length, "get");
    if (!error && !postern__is(packet.word, "200")) {
        struct postern_text reason = postern__value(packet, "text");
        printf("refused %.*s|%.*s", 3, packet.word.start, (int)reason.length, reason.start ? reason.start : "");
        return;
    }
    if (!error) error = postern__parse_grant(packet, names, count, &listeners);
    if (error) {
        printf("bad %s", error);
        return;
    }
    printf("granted");
    for (size_t i = 0; i < listeners.count; i++) {
        const struct postern_spec *spec = &listeners.items[i].spec;
        size_t bytes = spec->family == AF_INET ? 4 : spec->family == AF_INET6 ? 16 : 0;
        printf("|%s %s %s ", listeners.items[i].name, spec->is_udp ? "udp" : "tcp",
            bytes == 4 ? "4" : bytes == 16 ? "6" : "any");
        for (size_t byte = 0; byte < bytes; byte++) printf("%02x", spec->address[byte]);
        printf("%s %u %s %s", bytes ? "" : "-", spec->port, spec->is_v6only ? "v6only" : "-",
            spec->device[0] ? spec->device : "-");
    }
}

static void print_verdict(const char *path)
{
    static char head[16384], packet[32768];
    size_t length = read_vector(path, head, sizeof head, packet, sizeof packet);
    const char *name = strrchr(path, '/');
    char *exact = malloc(length ? length : 1);
    if (!exact) exit(70);
    /* A buffer of the packet's own length: the sanitizer sees a byte read behind it. */
    memcpy(exact, packet, length);
    *strstr(head, ": ") = 0;
    printf("%s\t", name ? name + 1 : path);
    if (strcmp(head, "request") == 0 || strcmp(head, "reply") == 0)
        print_packet(exact, length, strcmp(head, "reply") == 0);
    else
        print_grant(exact, length, strchr(head, ' ') + 1);
    printf("\n");
    free(exact);
}

static int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    while (folder && readdir(folder)) count++;
    if (folder) (void)closedir(folder);
    return count;
}

/* Asks a broker; prints what came, or the error, and whether a descriptor was left open. */
static void ask(const char *path, const char *const *names, size_t count)
{
    static struct postern broker;
    static struct postern_listeners listeners;
    struct postern_error error;
    int before = open_descriptors();
    if (postern_connect(&broker, path, 5000, &error) != POSTERN_OK
        || postern_get(&broker, names, count, POSTERN_SHARED, 0, &listeners, &error) != POSTERN_OK) {
        printf("%d %s\n", error.code, error.message);
    } else {
        for (size_t i = 0; i < listeners.count; i++) {
            char text[INET6_ADDRSTRLEN];
            const struct postern_listener *item = &listeners.items[i];
            (void)inet_ntop(item->spec.family, item->spec.address, text, sizeof text);
            printf("%s %s:%u\n", item->name, text, item->spec.port);
        }
        postern_close_listeners(&listeners);
    }
    postern_close(&broker);
    printf("open %d\n", open_descriptors() - before);
}

int main(int count, char **arguments)
{
    if (count > 2 && strcmp(arguments[1], "verdicts") == 0) {
        for (int i = 2; i < count; i++) print_verdict(arguments[i]);
        return 0;
    }
    if (count > 3 && strcmp(arguments[1], "ask") == 0) {
        ask(arguments[2], (const char *const *)arguments + 3, (size_t)count - 3);
        return 0;
    }
    return 64;
}
