/* The C driver: performs the socket operations it reads from standard input, reports what came back on standard output.
 * The conversation is described in ../README.md. It is the program under observation of the runtimes c and c-musl, and
 * the peer of all the others. */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#define RUNTIME "c"
#define VERSION "glibc ", gnu_get_libc_version()
#elif defined __linux__ /* musl has neither a macro of its own nor a call that tells its version */
#define RUNTIME "c-musl"
#define VERSION "musl", ""
#else
#define RUNTIME "c"
#define VERSION "the system's own libc", ""
#endif

/* What not every system has is an option below 0, and no option to who asks for it. */
#ifndef TCP_USER_TIMEOUT
#define TCP_USER_TIMEOUT (-1)
#endif
#ifndef TCP_DEFER_ACCEPT
#define TCP_DEFER_ACCEPT (-1)
#endif
#if !defined TCP_KEEPIDLE && defined TCP_KEEPALIVE /* macOS */
#define TCP_KEEPIDLE TCP_KEEPALIVE
#endif
#ifdef SO_LINGER_SEC /* macOS counts SO_LINGER in ticks of its clock */
#define LINGER SO_LINGER_SEC
#else
#define LINGER SO_LINGER
#endif

#ifndef EAI_NODATA /* glibc shows it with _GNU_SOURCE, musl has it since 1.2.4 */
#define EAI_NODATA (-5)
#endif

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static void *must(void *memory)
{
    if (memory == NULL) {
        perror("driver");
        exit(1);
    }
    return memory;
}

/* ---- JSON in: one line becomes a small tree; its strings are decoded where they stand in the line ---------------- */

enum kind { NOTHING, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT };

struct value {
    enum kind kind;
    const char *key;
    double number; /* of a boolean: 0 or 1 */
    char *text;
    size_t length; /* of text, which may hold NULs */
    struct value *child, *next;
};

struct request {
    char *line, *at;
    struct value values[64];
    size_t used;
    const struct value *root;
};

static const struct value absent;

static _Noreturn void malformed(const struct request *request)
{
    fprintf(stderr, "driver: not a request, at byte %td\n", request->at - request->line);
    exit(1);
}

static char peek(struct request *request)
{
    request->at += strspn(request->at, " \t\r\n");
    return *request->at;
}

static void expect(struct request *request, const char *word)
{
    size_t length = strlen(word);
    if (peek(request) != word[0] || strncmp(request->at, word, length) != 0)
        malformed(request);
    request->at += length;
}

static unsigned hex4(struct request *request)
{
    unsigned code;
    char digits[5] = "";
    memcpy(digits, request->at, strnlen(request->at, 4));
    if (strspn(digits, "0123456789abcdefABCDEF") != 4 || sscanf(digits, "%x", &code) != 1)
        malformed(request);
    request->at += 4;
    return code;
}

static char *put_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *out++ = (char)(0xe0 | code >> 12);
        } else {
            *out++ = (char)(0xf0 | code >> 18);
            *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *out++ = (char)(0x80 | (code & 0x3f));
    return out;
}

/* Decoded text is never longer than its JSON, so it is written over it. */
static char *read_string(struct request *request, size_t *length)
{
    expect(request, "\"");
    char *text = request->at, *out = text;
    for (;;) {
        char c = *request->at++;
        if (c == '"')
            break;
        if (c == '\0') {
            request->at--;
            malformed(request);
        }
        if (c != '\\') {
            *out++ = c;
            continue;
        }
        static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
        c = *request->at++;
        const char *name = c == '\0' ? NULL : strchr(names, c);
        if (name != NULL) {
            *out++ = meanings[name - names];
        } else if (c == 'u') {
            unsigned code = hex4(request);
            if (code >= 0xd800 && code < 0xdc00 && strncmp(request->at, "\\u", 2) == 0) {
                request->at += 2;
                code = 0x10000 + ((code - 0xd800) << 10 | ((hex4(request) - 0xdc00) & 0x3ff));
            }
            out = put_utf8(out, code);
        } else {
            request->at--;
            malformed(request);
        }
    }
    *length = (size_t)(out - text);
    *out = '\0';
    return text;
}

static struct value *read_value(struct request *request)
{
    if (request->used == LENGTH(request->values))
        malformed(request);
    struct value *value = &request->values[request->used++];
    char c = peek(request);
    if (c == '{' || c == '[') {
        char end = c == '{' ? '}' : ']';
        struct value **last = &value->child;
        value->kind = c == '{' ? OBJECT : ARRAY;
        request->at++;
        while (peek(request) != end) {
            if (value->child != NULL)
                expect(request, ",");
            const char *key = NULL;
            size_t length;
            if (value->kind == OBJECT) {
                key = read_string(request, &length);
                expect(request, ":");
            }
            struct value *member = read_value(request);
            member->key = key;
            *last = member;
            last = &member->next;
        }
        request->at++;
    } else if (c == '"') {
        value->kind = STRING;
        value->text = read_string(request, &value->length);
    } else if (c == 't' || c == 'f') {
        value->kind = BOOLEAN;
        value->number = c == 't';
        expect(request, c == 't' ? "true" : "false");
    } else if (c == 'n') {
        expect(request, "null");
    } else {
        char *end;
        value->kind = NUMBER;
        value->number = strtod(request->at, &end);
        if (end == request->at)
            malformed(request);
        request->at = end;
    }
    return value;
}

static const struct value *get(const struct value *object, const char *key)
{
    for (const struct value *member = object->child; member != NULL; member = member->next)
        if (member->key != NULL && strcmp(member->key, key) == 0)
            return member;
    return &absent;
}

static const char *get_text(const struct value *object, const char *key, const char *otherwise)
{
    const struct value *value = get(object, key);
    return value->kind == STRING ? value->text : otherwise;
}

static double get_number(const struct value *object, const char *key, double otherwise)
{
    const struct value *value = get(object, key);
    return value->kind == NUMBER ? value->number : otherwise;
}

static bool get_flag(const struct value *object, const char *key)
{
    return get(object, key)->kind == BOOLEAN && get(object, key)->number != 0;
}

/* ---- JSON out ---------------------------------------------------------------------------------------------------- */

/* How many bytes at `text` are one character of UTF-8; 0 if they are none. */
static size_t utf8(const unsigned char *text, size_t length)
{
    size_t size = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : text[0] < 0xf5 ? 4 : 0;
    if (size > length)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if (size >= 3) { /* over-long, a surrogate, or above U+10FFFF */
        unsigned lead = text[0] << 8 | text[1];
        if (lead < 0xe0a0 || (lead >= 0xeda0 && lead < 0xee00) || (lead >= 0xf000 && lead < 0xf090) || lead >= 0xf490)
            return 0;
    }
    return size;
}

static void put_string(FILE *out, const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    putc('"', out);
    while (at < end) {
        size_t size = utf8(at, (size_t)(end - at));
        if (size == 0)
            fputs("\\ufffd", out);
        else if (*at < 0x20 || *at == 0x7f)
            fprintf(out, "\\u%04x", *at);
        else {
            if (*at == '"' || *at == '\\')
                putc('\\', out);
            fwrite(at, 1, size, out);
        }
        at += size == 0 ? 1 : size;
    }
    putc('"', out);
}

static void put_field(FILE *out, const char *key, const char *text)
{
    fprintf(out, ", \"%s\": ", key);
    put_string(out, text, strlen(text));
}

/* ---- one call in progress ---------------------------------------------------------------------------------------- */

struct call {
    const struct value *request;
    FILE *fields;        /* what the answer says beside the common fields */
    const char *outcome; /* where it is neither ok nor error */
    int gai;             /* what getaddrinfo returned */
    double t, began, elapsed;
};

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void start(struct call *call)
{
    call->t = seconds(CLOCK_REALTIME);
    call->began = seconds(CLOCK_MONOTONIC);
}

static void stop(struct call *call)
{
    call->elapsed = seconds(CLOCK_MONOTONIC) - call->began;
}

static int unsupported(struct call *call, const char *why)
{
    call->outcome = "unsupported";
    put_field(call->fields, "message", why);
    return 0;
}

/* ---- sockets by name --------------------------------------------------------------------------------------------- */

struct named {
    char *name;
    int fd;
    bool closed;
    struct named *next;
};

static struct named *sockets;
static pthread_mutex_t sockets_lock = PTHREAD_MUTEX_INITIALIZER;

static struct named *find(const char *name)
{
    pthread_mutex_lock(&sockets_lock);
    struct named *socket = sockets;
    while (socket != NULL && strcmp(socket->name, name) != 0)
        socket = socket->next;
    pthread_mutex_unlock(&sockets_lock);
    return socket;
}

static void keep(const char *name, int fd)
{
    struct named *socket = find(name);
    pthread_mutex_lock(&sockets_lock);
    if (socket == NULL) {
        socket = must(calloc(1, sizeof *socket));
        socket->name = must(strdup(name));
        socket->next = sockets;
        sockets = socket;
    }
    socket->fd = fd;
    socket->closed = false;
    pthread_mutex_unlock(&sockets_lock);
}

/* The kernel gives the lowest free number, which may be one that a closed name still holds; using that name would then
 * reach somebody else's socket instead of EBADF. So a new socket moves on to the first number that no closed name holds.
 * Only descriptors that live shorter than a call (getaddrinfo's) can sit on such a number, and only while that call,
 * were it in the background, is under way. */
static int fresh(int fd)
{
    pthread_mutex_lock(&sockets_lock);
    for (struct named *socket = sockets; fd >= 0 && socket != NULL;) {
        if (!socket->closed || socket->fd != fd) {
            socket = socket->next;
            continue;
        }
        int moved = fcntl(fd, F_DUPFD, fd + 1), error = errno;
        close(fd);
        fd = moved;
        errno = error;
        socket = sockets;
    }
    pthread_mutex_unlock(&sockets_lock);
    return fd;
}

/* The descriptor of the request's socket; -1, and the answer is settled, where there never was one. */
static int descriptor(struct call *call)
{
    struct named *socket = find(get_text(call->request, "sock", ""));
    if (socket == NULL)
        unsupported(call, "no socket of that name was made");
    return socket == NULL ? -1 : socket->fd;
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

struct target {
    int family;
    socklen_t length;
    struct sockaddr_storage address;
};

static int family_of(const struct value *request)
{
    if (strcmp(get_text(request, "network", "tcp"), "unix") == 0)
        return AF_UNIX;
    double family = get_number(request, "family", 0);
    return family == 4 ? AF_INET : family == 6 ? AF_INET6 : AF_UNSPEC;
}

static int type_of(const struct value *request)
{
    bool datagrams = strcmp(get_text(request, "network", "tcp"), "udp") == 0;
    return strcmp(get_text(request, "type", datagrams ? "dgram" : "stream"), "dgram") == 0 ? SOCK_DGRAM : SOCK_STREAM;
}

/* The addresses of a literal, a host name or a path, in the order in which they are to be tried; 0 sets call->gai. */
static size_t look_up(struct call *call, const char *host, double port, int flags, struct target *targets, size_t room)
{
    int family = family_of(call->request);
    if (family == AF_UNIX) { /* the kernel is the judge of a path that is too long */
        struct sockaddr_un *path = (struct sockaddr_un *)&targets->address;
        size_t longest = sizeof targets->address - offsetof(struct sockaddr_un, sun_path) - 1;
        size_t length = strnlen(host == NULL ? "" : host, longest);
        memset(targets, 0, sizeof *targets);
        targets->family = path->sun_family = AF_UNIX;
        memcpy((char *)path + offsetof(struct sockaddr_un, sun_path), host == NULL ? "" : host, length);
        targets->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
        return 1;
    }
    struct addrinfo hints = {.ai_family = family, .ai_socktype = type_of(call->request), .ai_flags = flags}, *list;
    char service[24];
    snprintf(service, sizeof service, "%.0f", port);
    call->gai = getaddrinfo(host, service, &hints, &list);
    if (call->gai != 0)
        return 0;
    size_t found = 0;
    for (struct addrinfo *at = list; at != NULL && found < room; at = at->ai_next, found++) {
        targets[found].family = at->ai_family;
        targets[found].length = at->ai_addrlen;
        memcpy(&targets[found].address, at->ai_addr, at->ai_addrlen);
    }
    freeaddrinfo(list);
    return found;
}

static void put_endpoint(FILE *out, const char *key, const struct sockaddr_storage *address)
{
    char host[INET6_ADDRSTRLEN + 32] = "", service[8] = "0";
    const char *text = host;
    if (address->ss_family == AF_UNIX)
        text = ((const struct sockaddr_un *)address)->sun_path;
    else
        getnameinfo((const struct sockaddr *)address, sizeof *address, host, sizeof host, service, sizeof service,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    fprintf(out, ", \"%s\": [", key);
    put_string(out, text, strlen(text));
    fprintf(out, ", %s]", service);
}

static void put_local(struct call *call, int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) == 0)
        put_endpoint(call->fields, "local", &address);
}

/* `known` is where it was sent to or came from, in case the connection is gone again already. */
static void put_remote(struct call *call, int fd, const struct sockaddr_storage *known)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    bool connected = getpeername(fd, (struct sockaddr *)&address, &length) == 0;
    put_endpoint(call->fields, "remote", connected ? &address : known);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int level, option;
} plain_options[] = {
    {"user_timeout", IPPROTO_TCP, TCP_USER_TIMEOUT},
    {"nodelay", IPPROTO_TCP, TCP_NODELAY},
    {"defer_accept", IPPROTO_TCP, TCP_DEFER_ACCEPT},
    {"reuseaddr", SOL_SOCKET, SO_REUSEADDR},
    {"reuseport", SOL_SOCKET, SO_REUSEPORT},
    {"rcvbuf", SOL_SOCKET, SO_RCVBUF},
    {"sndbuf", SOL_SOCKET, SO_SNDBUF},
    {"v6only", IPPROTO_IPV6, IPV6_V6ONLY},
};

static int set_int(int fd, int level, int option, double value)
{
    int number = (int)value;
    return setsockopt(fd, level, option, &number, sizeof number) == 0 ? 0 : errno;
}

static int get_int(int fd, int option)
{
    int number = -1;
    socklen_t length = sizeof number;
    getsockopt(fd, SOL_SOCKET, option, &number, &length);
    return number;
}

static int set_keepalive(int fd, const struct value *value)
{
    static const struct {
        const char *name;
        int option;
    } details[] = {{"idle", TCP_KEEPIDLE}, {"interval", TCP_KEEPINTVL}, {"count", TCP_KEEPCNT}};
    int error = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, value->kind == OBJECT || value->number != 0);
    for (size_t i = 0; i < LENGTH(details) && error == 0; i++)
        if (get(value, details[i].name)->kind == NUMBER)
            error = set_int(fd, IPPROTO_TCP, details[i].option, get(value, details[i].name)->number);
    return error;
}

static int set_option(struct call *call, int fd, const char *name, const struct value *value)
{
    if (strcmp(name, "linger") == 0) {
        struct linger linger = {.l_onoff = value->number >= 0, .l_linger = value->number >= 0 ? (int)value->number : 0};
        return setsockopt(fd, SOL_SOCKET, LINGER, &linger, sizeof linger) == 0 ? 0 : errno;
    }
    if (strcmp(name, "keepalive") == 0)
        return set_keepalive(fd, value);
#ifdef IP_RECVERR
    if (strcmp(name, "recverr") == 0) {
        bool six = get_int(fd, SO_DOMAIN) == AF_INET6;
        return set_int(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVERR : IP_RECVERR, value->number);
    }
#endif
    for (size_t i = 0; i < LENGTH(plain_options); i++)
        if (strcmp(name, plain_options[i].name) == 0 && plain_options[i].option >= 0)
            return set_int(fd, plain_options[i].level, plain_options[i].option, value->number);
    return unsupported(call, "no such option");
}

/* The `options` of a request; stops at the first that fails. */
static int set_options(struct call *call, int fd)
{
    int error = 0;
    const struct value *option = get(call->request, "options")->child;
    for (; option != NULL && error == 0 && call->outcome == NULL; option = option->next)
        error = set_option(call, fd, option->key, option);
    return error;
}

/* ---- the operations: each returns 0 or an errno ------------------------------------------------------------------ */

/* Makes the socket O_NONBLOCK, or blocking, and returns the flags to go back to. */
static int nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    if (on && flags >= 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    return flags;
}

static void restore(int fd, int flags)
{
    if (flags >= 0 && !(flags & O_NONBLOCK))
        fcntl(fd, F_SETFL, flags);
}

static struct timeval duration(double value)
{
    return (struct timeval){.tv_sec = (time_t)value, .tv_usec = (suseconds_t)((value - floor(value)) * 1e6)};
}

/* Whether `events` came before `until` on the monotonic clock. */
static bool came(int fd, short events, double until)
{
    struct pollfd waiting = {.fd = fd, .events = events};
    double left = until - seconds(CLOCK_MONOTONIC);
    return poll(&waiting, 1, left > 0 ? (int)ceil(left * 1e3) : 0) != 0;
}

static int op_resolve(struct call *call)
{
    struct target targets[32];
    start(call);
    size_t found = look_up(call, get_text(call->request, "name", NULL), 0, 0, targets, LENGTH(targets));
    stop(call);
    if (found == 0)
        return 0;
    fputs(", \"addresses\": [", call->fields);
    for (size_t i = 0; i < found; i++) {
        char host[INET6_ADDRSTRLEN + 32] = "";
        getnameinfo((struct sockaddr *)&targets[i].address, targets[i].length, host, sizeof host, NULL, 0, NI_NUMERICHOST);
        fprintf(call->fields, "%s\"%s\"", i == 0 ? "" : ", ", host);
    }
    putc(']', call->fields);
    return 0;
}

static int op_socket(struct call *call)
{
    int family = family_of(call->request);
    start(call);
    int fd = socket(family == AF_UNSPEC ? AF_INET : family, type_of(call->request), 0);
    stop(call);
    fd = fresh(fd);
    if (fd < 0)
        return errno;
    nonblocking(fd, get_flag(call->request, "nonblocking"));
    keep(get_text(call->request, "sock", ""), fd);
    return set_options(call, fd);
}

/* The socket that the request names, or a new one of this family, with the options that the request asks for. */
static int opened(struct call *call, int family, int *fd)
{
    const char *name = get_text(call->request, "sock", "");
    struct named *known = find(name);
    *fd = known != NULL ? known->fd : fresh(socket(family, type_of(call->request), 0));
    if (*fd < 0)
        return errno;
    if (known == NULL)
        keep(name, *fd);
    return set_options(call, *fd);
}

static int op_bind(struct call *call)
{
    struct target target;
    int fd;
    double port = get_number(call->request, "port", 0);
    if (look_up(call, get_text(call->request, "address", NULL), port, AI_PASSIVE, &target, 1) == 0)
        return 0;
    int error = opened(call, target.family, &fd);
    if (error != 0 || call->outcome != NULL)
        return error;
    start(call);
    error = bind(fd, (struct sockaddr *)&target.address, target.length) == 0 ? 0 : errno;
    stop(call);
    if (error == 0)
        put_local(call, fd);
    return error;
}

static bool is_bound(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return true; /* closed: listen(2) shall say so */
    if (address.ss_family == AF_UNIX)
        return length > offsetof(struct sockaddr_un, sun_path);
    return ((struct sockaddr_in *)&address)->sin_port != 0; /* where sin6_port is, too */
}

static int op_listen(struct call *call)
{
    const char *address = get_text(call->request, "address", NULL);
    struct named *known = find(get_text(call->request, "sock", ""));
    double port = get_number(call->request, "port", 0);
    struct target target = {.family = AF_INET};
    int fd, error = 0;
    bool binds = known == NULL || (address != NULL && !is_bound(known->fd));
    if (binds && look_up(call, address, port, AI_PASSIVE, &target, 1) == 0)
        return 0;
    error = opened(call, target.family, &fd);
    if (error != 0 || call->outcome != NULL)
        return error;
    start(call);
    if (binds)
        error = bind(fd, (struct sockaddr *)&target.address, target.length) == 0 ? 0 : errno;
    if (error == 0)
        error = listen(fd, (int)get_number(call->request, "backlog", SOMAXCONN)) == 0 ? 0 : errno;
    stop(call);
    if (error == 0)
        put_local(call, fd);
    return error;
}

static int op_accept(struct call *call)
{
    int fd = descriptor(call), accepted = -1, error = 0;
    if (call->outcome != NULL)
        return 0;
    struct sockaddr_storage from = {0};
    socklen_t length = sizeof from;
    double deadline = get_number(call->request, "deadline", -1);
    start(call);
    if (deadline >= 0 && !came(fd, POLLIN, call->began + deadline)) {
        call->outcome = "timeout";
    } else {
        int flags = nonblocking(fd, get_flag(call->request, "nonblocking"));
        accepted = accept(fd, (struct sockaddr *)&from, &length);
        error = accepted >= 0 ? 0 : errno;
        restore(fd, flags);
    }
    stop(call);
    if (accepted < 0)
        return error;
    accepted = fresh(accepted);
    if (accepted < 0)
        return errno;
    keep(get_text(call->request, "as", ""), accepted);
    put_local(call, accepted);
    put_remote(call, accepted, &from);
    return 0;
}

/* connect(2), ended by the program's own timer if the request has a deadline. */
static int connect_once(struct call *call, int fd, const struct target *target)
{
    double deadline = get_number(call->request, "deadline", -1);
    int flags = nonblocking(fd, deadline >= 0 || get_flag(call->request, "nonblocking"));
    int error = connect(fd, (const struct sockaddr *)&target->address, target->length) == 0 ? 0 : errno;
    if (deadline >= 0 && error == EINPROGRESS) {
        error = 0;
        if (came(fd, POLLOUT, call->began + deadline))
            error = get_int(fd, SO_ERROR);
        else
            call->outcome = "timeout";
    }
    restore(fd, flags);
    return error;
}

static int bind_local(struct call *call, int fd)
{
    const struct value *host = get(call->request, "local")->child;
    struct target local;
    if (host == NULL)
        return 0;
    double port = host->next != NULL ? host->next->number : 0;
    if (look_up(call, host->text, port, AI_NUMERICHOST | AI_PASSIVE, &local, 1) == 0)
        return 0;
    return bind(fd, (struct sockaddr *)&local.address, local.length) == 0 ? 0 : errno;
}

/* Every address of a name in turn, each with a socket of its own; the last one's error counts, and its socket stays. */
static int op_connect(struct call *call)
{
    const char *name = get_text(call->request, "sock", "");
    bool known = find(name) != NULL;
    struct target targets[32];
    int fd = -1, error = 0;
    start(call);
    double port = get_number(call->request, "port", 0);
    size_t count = look_up(call, get_text(call->request, "address", NULL), port, 0, targets, LENGTH(targets)), i = 0;
    for (; i < count; i++) {
        if (!known && fd >= 0)
            close(fd);
        fd = known ? find(name)->fd : fresh(socket(targets[i].family, type_of(call->request), 0));
        error = fd < 0 ? errno : set_options(call, fd);
        if (error == 0 && call->outcome == NULL)
            error = bind_local(call, fd);
        if (error == 0 && call->outcome == NULL && call->gai == 0)
            error = connect_once(call, fd, &targets[i]);
        if (known || error == 0 || error == EINPROGRESS)
            break;
    }
    stop(call);
    if (!known && fd >= 0)
        keep(name, fd);
    if (i < count && error == 0 && call->outcome == NULL && call->gai == 0) {
        put_local(call, fd);
        put_remote(call, fd, &targets[i].address);
    }
    return error;
}

/* MSG_NOSIGNAL, or none, which raises SIGPIPE, where the request wants it so; sendto(2) where it says to whom. */
static int op_send(struct call *call)
{
    int fd = descriptor(call), error = 0;
    struct target to = {0};
    const struct value *host = get(call->request, "to")->child;
    if (call->outcome != NULL)
        return 0;
    if (host != NULL && look_up(call, host->text, host->next->number, AI_NUMERICHOST, &to, 1) == 0)
        return 0;
    const struct value *text = get(call->request, "data");
    bool given = text->kind == STRING;
    size_t size = given ? text->length : (size_t)get_number(call->request, "size", 0), sent = 0;
    char *data = given ? text->text : memset(must(malloc(size + 1)), 'x', size);
    int type = get_int(fd, SO_TYPE);
    start(call);
    int flags = nonblocking(fd, get_flag(call->request, "nonblocking"));
    do { /* once even for no bytes at all: a datagram may be empty */
        int how = get_flag(call->request, "sigpipe") ? 0 : MSG_NOSIGNAL;
        ssize_t n = sendto(fd, data + sent, size - sent, how, host == NULL ? NULL : (struct sockaddr *)&to.address, to.length);
        if (n < 0)
            error = errno;
        else
            sent += (size_t)n;
    } while (error == 0 && sent < size && type == SOCK_STREAM);
    restore(fd, flags);
    stop(call);
    if (!given)
        free(data);
    fprintf(call->fields, ", \"bytes\": %zu", sent);
    return error;
}

static int op_recv(struct call *call)
{
    int fd = descriptor(call), error = 0;
    if (call->outcome != NULL)
        return 0;
    size_t room = (size_t)get_number(call->request, "max", 65536);
    char *data = must(malloc(room + 1));
    int type = get_int(fd, SO_TYPE);
    start(call);
    int flags = nonblocking(fd, get_flag(call->request, "nonblocking"));
    ssize_t n = recv(fd, data, room, 0);
    if (n < 0)
        error = errno;
    restore(fd, flags);
    stop(call);
    if (n == 0 && room > 0 && type == SOCK_STREAM) {
        call->outcome = "eof";
    } else if (n >= 0) {
        fprintf(call->fields, ", \"bytes\": %zd", n);
        if (n <= 1024) {
            fputs(", \"data\": ", call->fields);
            put_string(call->fields, data, (size_t)n);
        }
    }
    free(data);
    return error;
}

static int op_shutdown(struct call *call)
{
    const char *how = get_text(call->request, "how", "wr");
    int fd = descriptor(call);
    if (call->outcome != NULL)
        return 0;
    start(call);
    int error = shutdown(fd, strcmp(how, "rd") == 0 ? SHUT_RD : strcmp(how, "wr") == 0 ? SHUT_WR : SHUT_RDWR) == 0 ? 0 : errno;
    stop(call);
    return error;
}

static int op_close(struct call *call)
{
    struct named *socket = find(get_text(call->request, "sock", ""));
    int fd = descriptor(call);
    if (call->outcome != NULL)
        return 0;
    pthread_mutex_lock(&sockets_lock);
    socket->closed = true; /* before the number is free */
    pthread_mutex_unlock(&sockets_lock);
    start(call);
    int error = close(fd) == 0 ? 0 : errno;
    stop(call);
    return error;
}

static int op_option(struct call *call)
{
    int fd = descriptor(call);
    if (call->outcome != NULL)
        return 0;
    start(call);
    int error = set_option(call, fd, get_text(call->request, "name", ""), get(call->request, "value"));
    stop(call);
    return error;
}

static int op_deadline(struct call *call)
{
    const char *which = get_text(call->request, "which", "both");
    int fd = descriptor(call), error = 0;
    if (call->outcome != NULL)
        return 0;
    struct timeval limit = duration(get_number(call->request, "seconds", 0)); /* zero is: none */
    start(call);
    if (strcmp(which, "send") != 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0)
        error = errno;
    if (strcmp(which, "recv") != 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0)
        error = errno;
    stop(call);
    return error;
}

static int op_error(struct call *call)
{
    int fd = descriptor(call), pending = 0;
    if (call->outcome != NULL)
        return 0;
    socklen_t length = sizeof pending;
    start(call);
    int error = getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &length) == 0 ? 0 : errno;
    stop(call);
    if (pending != 0)
        fprintf(call->fields, ", \"errno\": %d", pending);
    return error;
}

static void do_nothing(int number)
{
    (void)number;
}

/* The thread that reads requests leaves the signal to those that are busy in the background. */
static int op_handle(struct call *call)
{
    int number = (int)get_number(call->request, "signal", 0);
    struct sigaction action = {.sa_handler = do_nothing, .sa_flags = get_flag(call->request, "restart") ? SA_RESTART : 0};
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, number);
    start(call);
    int error = sigaction(number, &action, NULL) == 0 ? 0 : errno;
    stop(call);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    return error;
}

static pid_t child;

/* A child that does nothing but hold what it inherited. */
static int op_fork(struct call *call)
{
    start(call);
    child = fork();
    while (child == 0)
        pause();
    stop(call);
    return child < 0 ? errno : 0;
}

static int op_reap(struct call *call)
{
    start(call);
    int error = kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child ? 0 : errno;
    stop(call);
    return error;
}

static const struct {
    const char *name;
    int (*perform)(struct call *);
} operations[] = {
    {"resolve", op_resolve},
    {"socket", op_socket},
    {"bind", op_bind},
    {"listen", op_listen},
    {"accept", op_accept},
    {"connect", op_connect},
    {"send", op_send},
    {"recv", op_recv},
    {"shutdown", op_shutdown},
    {"close", op_close},
    {"option", op_option},
    {"deadline", op_deadline},
    {"error", op_error},
    {"fork", op_fork},
    {"reap", op_reap},
    {"handle", op_handle},
};

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static const char *gai_name(int code)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {
        {EAI_NONAME, "EAI_NONAME"},     {EAI_NODATA, "EAI_NODATA"},     {EAI_AGAIN, "EAI_AGAIN"},
        {EAI_FAIL, "EAI_FAIL"},         {EAI_FAMILY, "EAI_FAMILY"},     {EAI_SOCKTYPE, "EAI_SOCKTYPE"},
        {EAI_SERVICE, "EAI_SERVICE"},   {EAI_MEMORY, "EAI_MEMORY"},     {EAI_SYSTEM, "EAI_SYSTEM"},
        {EAI_OVERFLOW, "EAI_OVERFLOW"}, {EAI_BADFLAGS, "EAI_BADFLAGS"},
    };
    for (size_t i = 0; i < LENGTH(names); i++)
        if (names[i].code == code)
            return names[i].name;
    return "EAI_?";
}

static void put_error(const struct call *call, FILE *out, int error)
{
    if (call->gai != 0) {
        put_field(out, "errno", gai_name(call->gai));
        put_field(out, "type", "getaddrinfo");
        fputs(", \"chain\": [\"getaddrinfo\"]", out);
        put_field(out, "message", gai_strerror(call->gai));
    } else if (error != 0) {
        fprintf(out, ", \"errno\": %d, \"type\": \"errno\", \"chain\": [\"errno\"]", error);
        put_field(out, "message", strerror(error));
    }
}

static void perform(const struct request *request)
{
    struct call call = {.request = request->root};
    const char *op = get_text(request->root, "op", "");
    char *fields = NULL, *answer = NULL;
    size_t length, i = 0;
    int error;
    call.fields = must(open_memstream(&fields, &length));
    while (i < LENGTH(operations) && strcmp(operations[i].name, op) != 0)
        i++;
    if (i < LENGTH(operations))
        error = operations[i].perform(&call);
    else
        error = unsupported(&call, "no such operation");
    if (call.t == 0)
        start(&call); /* it never came to the call */
    fclose(call.fields);

    const char *outcome = call.outcome != NULL ? call.outcome : error != 0 || call.gai != 0 ? "error" : "ok";
    FILE *out = must(open_memstream(&answer, &length));
    fprintf(out, "{\"id\": %.0f", get_number(request->root, "id", 0));
    put_field(out, "op", op);
    put_field(out, "outcome", outcome);
    fprintf(out, ", \"t\": %.6f, \"elapsed\": %.6f", call.t, call.elapsed);
    put_error(&call, out, error);
    fprintf(out, "%s}\n", fields);
    fclose(out);
    fwrite(answer, 1, length, stdout); /* one call: stdio locks for as long, so answers of threads do not mix */
    fflush(stdout);
    free(answer);
    free(fields);
}

static void *serve(void *argument)
{
    struct request *request = argument;
    perform(request);
    free(request->line);
    free(request);
    return NULL;
}

static void *serve_in_background(void *argument)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    return serve(argument);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    signal(SIGPIPE, SIG_DFL); /* an ignored signal is inherited, and a parent written in Python ignores this one */
    printf("{\"v\": 1, \"event\": \"ready\", \"runtime\": \"" RUNTIME "\", \"version\": \"%s%s\"}\n", VERSION);
    fflush(stdout);
    while (getline(&line, &room, stdin) > 0) {
        struct request *request = must(calloc(1, sizeof *request));
        pthread_t thread;
        request->line = request->at = line;
        line = NULL; /* the request keeps it, and getline makes another */
        room = 0;
        request->root = read_value(request);
        if (peek(request) != '\0')
            malformed(request);
        if (!get_flag(request->root, "background"))
            serve(request);
        else if ((errno = pthread_create(&thread, NULL, serve_in_background, request)) != 0)
            must(NULL);
        else
            pthread_detach(thread);
    }
    free(line);
    return 0;
}
