/* SPDX-License-Identifier: MIT
 *
 * stapes web: serves the page, which runs models in the browser. Files only; ranges, so that
 * downloads of models can go on where they broke off.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/program.h"
#include "tools/report.h"

enum { MAX_CONNECTIONS = 64, IDLE_SECONDS = 60, WAKE_MS = 500 };

struct options {
    const char *host;
    const char *directory;
    int64_t port;
};

struct site {
    char root[PATH_MAX]; /* a real path */
    size_t root_length;
};

struct range {
    uint64_t first, bytes;
};

static const struct {
    const char *suffix, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".svg", "image/svg+xml"},
    {".wasm", "application/wasm"},
    {".flac", "audio/flac"},
    {".wav", "audio/wav"},
};

static const char *const headers[][2] = {
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Embedder-Policy", "require-corp"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"X-Content-Type-Options", "nosniff"},
    {"Cache-Control", "no-cache"},
    {"Accept-Ranges", "bytes"},
};

static const char *type_of(const char *path)
{
    const char *suffix = strrchr(path, '.');
    for (size_t i = 0; suffix && i < COUNT_OF(types); i++)
        if (strcmp(suffix, types[i].suffix) == 0)
            return types[i].type;
    return "application/octet-stream";
}

/* Takes the response, which may be NULL. */
static enum MHD_Result queue(struct MHD_Connection *connection, unsigned status,
                             struct MHD_Response *response, const char *type)
{
    if (!response)
        return MHD_NO;
    enum MHD_Result result = MHD_add_response_header(response, "Content-Type", type);
    for (size_t i = 0; i < COUNT_OF(headers) && result == MHD_YES; i++)
        result = MHD_add_response_header(response, headers[i][0], headers[i][1]);
    if (result == MHD_YES)
        result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* Text is static. */
static struct MHD_Response *text_response(const char *text)
{
    return MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
}

/* A file below the root, whatever dots and links are in the URL; -1: there is none. MHD has decoded
 * the URL, which begins with a slash. */
static int open_file(const struct site *site, const char *url, char path[PATH_MAX],
                     struct stat *stat)
{
    char wanted[PATH_MAX];
    const char *index = url[0] && url[strlen(url) - 1] == '/' ? "index.html" : "";
    int length = snprintf(wanted, sizeof(wanted), "%s/%s%s", site->root, url, index);
    if (length < 0 || (size_t)length >= sizeof(wanted) || !realpath(wanted, path))
        return -1;
    if (strncmp(path, site->root, site->root_length) != 0 || path[site->root_length] != '/')
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, stat) != 0 || !S_ISREG(stat->st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Digits only; false without any. *rest is what follows. */
static bool read_number(const char *text, uint64_t *value, const char **rest)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    *rest = end;
    return errno == 0;
}

/* The status that answers a Range header: 200 without one that is understood, 206 and the range, or
 * 416 where nothing of the file is in it. */
static unsigned parse_range(const char *header, uint64_t size, struct range *range)
{
    uint64_t first = 0, last = UINT64_MAX;
    *range = (struct range){0, size};
    if (!header || strncmp(header, "bytes=", 6) != 0)
        return MHD_HTTP_OK;
    header += 6;
    bool from_start = read_number(header, &first, &header);
    if (*header++ != '-')
        return MHD_HTTP_OK;
    bool has_last = read_number(header, &last, &header);
    if (*header || (!from_start && !has_last) || (from_start && last < first))
        return MHD_HTTP_OK;
    if (!from_start) {
        first = size - MIN(last, size);
        last = UINT64_MAX;
    }
    if (first >= size)
        return MHD_HTTP_RANGE_NOT_SATISFIABLE;
    range->first = first;
    range->bytes = MIN(last, size - 1) - first + 1;
    return MHD_HTTP_PARTIAL_CONTENT;
}

static enum MHD_Result answer_file(struct MHD_Connection *connection, int fd, const char *path,
                                   const struct stat *stat)
{
    char text[80], tag[80];
    uint64_t size = (uint64_t)stat->st_size;
    struct range range;
    const char *header = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Range");
    const char *wanted = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "If-Range");
    snprintf(tag, sizeof(tag), "\"%" PRIx64 "-%" PRIx64 ".%lx\"", size,
             (uint64_t)stat->st_mtim.tv_sec, (unsigned long)stat->st_mtim.tv_nsec);
    if (wanted && strcmp(wanted, tag) != 0)
        header = NULL; /* a range of another version */
    unsigned status = parse_range(header, size, &range);
    struct MHD_Response *response;
    if (status == MHD_HTTP_RANGE_NOT_SATISFIABLE) {
        close(fd);
        response = text_response("Beyond the end of the file.\n");
        snprintf(text, sizeof(text), "bytes */%" PRIu64, size);
    } else {
        response = MHD_create_response_from_fd_at_offset64(range.bytes, fd, range.first);
        if (!response)
            close(fd);
        snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range.first,
                 range.first + range.bytes - 1, size);
    }
    if (response && status != MHD_HTTP_OK)
        MHD_add_response_header(response, "Content-Range", text);
    if (response)
        MHD_add_response_header(response, "ETag", tag);
    return queue(connection, status, response, type_of(path));
}

static enum MHD_Result answer(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **state)
{
    (void)version;
    (void)upload;
    (void)upload_bytes;
    (void)state;
    char path[PATH_MAX];
    struct stat stat;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return queue(connection, MHD_HTTP_METHOD_NOT_ALLOWED, text_response("Only GET and HEAD.\n"),
                     "text/plain");
    int fd = open_file(user, url, path, &stat);
    if (fd < 0)
        return queue(connection, MHD_HTTP_NOT_FOUND, text_response("There is no such file.\n"),
                     "text/plain");
    return answer_file(connection, fd, path, &stat);
}

static bool find_site(const struct options *options, struct report *report, struct site *site)
{
    static const char *const places[] = {"../web/site/", "../share/stapes/web/"};
    char found[PATH_MAX];
    const char *directory = options->directory;
    if (!directory && program_find(places, COUNT_OF(places), R_OK, found, sizeof(found)))
        directory = found;
    if (!directory) {
        report_error(report, "the page was not built with this program: it needs clang, wasm-ld, "
                             "wasi-libc and Node (third_party/README.md)");
        return false;
    }
    if (!realpath(directory, site->root)) {
        report_error(report, "%s: %s", directory, strerror(errno));
        return false;
    }
    site->root_length = strlen(site->root);
    return true;
}

/* A socket that listens, and the URL of what is behind it; -1 after an error was told. */
static int listen_at(const struct options *options, struct report *report, char *url, size_t size)
{
    char port[8], host[NI_MAXHOST];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *address = NULL;
    struct sockaddr_storage bound;
    socklen_t bound_bytes = sizeof(bound);
    snprintf(port, sizeof(port), "%d", (int)options->port);
    int wrong = getaddrinfo(options->host, port, &hints, &address);
    if (wrong) {
        report_error(report, "%s: %s", options->host, gai_strerror(wrong));
        return -1;
    }
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) != 0 ||
        bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, MAX_CONNECTIONS) != 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &bound_bytes) != 0) {
        report_error(report, "%s, port %s: %s; --port takes another", options->host, port,
                     strerror(errno));
        freeaddrinfo(address);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    freeaddrinfo(address);
    getnameinfo((struct sockaddr *)&bound, bound_bytes, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(url, size, strchr(host, ':') ? "http://[%s]:%s/" : "http://%s:%s/", host, port);
    return fd;
}

static int run(const void *values, int n_operands, char **operands)
{
    (void)n_operands;
    (void)operands;
    const struct options *options = values;
    struct report report;
    struct site site;
    char url[NI_MAXHOST + 32];
    report_init(&report, false, false);
    if (!find_site(options, &report, &site))
        return EXIT_FAILURE;
    int fd = listen_at(options, &report, url, sizeof(url));
    if (fd < 0)
        return EXIT_FAILURE;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, answer, &site, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_SECONDS, MHD_OPTION_END);
    if (!daemon) {
        report_error(&report, "%s: cannot be served: %s", url, strerror(errno));
        close(fd);
        return EXIT_FAILURE;
    }
    printf("%s\n", url);
    fflush(stdout);
    report_note(&report, "serving %s; Ctrl-C ends it", site.root);
    while (!interrupt_pending())
        poll(NULL, 0, WAKE_MS); /* the signal may come to the other thread */
    MHD_stop_daemon(daemon);
    return EXIT_INTERRUPTED;
}

static const struct options defaults = {.host = "127.0.0.1", .port = 8080};

static const struct option_row rows[] = {
    {.name = "port",
     .letter = 'p',
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct options, port),
     .value = "N",
     .min = 0,
     .max = 65535,
     .help = "The port; 0 takes any that is free. Default: 8080."},
    {.name = "host",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, host),
     .value = "ADDRESS",
     .help =
         "The address to listen at. Default: 127.0.0.1, which only this machine reaches. Browsers "
         "run models and microphones only on pages from this machine or from https."},
    {.name = "directory",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, directory),
     .value = "DIR",
     .help = "Serve these files instead of the page."},
};

static const struct help_section sections[] = {
    {"Description", "Serves the page that transcribes in a browser, and prints its address. The "
                    "browser fetches the "
                    "page and a model; sound and text stay in it. Ends with Ctrl-C."},
};

const struct command web_command = {
    .name = "web",
    .summary = "the page that transcribes in a browser",
    .operands = "",
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct options),
    .defaults = &defaults,
    .run = run,
};
