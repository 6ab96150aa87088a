/* Le générateur de charge : N clients WebSocket dans un seul processus, avec epoll.
 *
 *     load chat|socketio CLIENTS PORT [PORT ...]
 *
 * Il connecte ses clients (répartis entre les ports), les fait se présenter, attend le silence et
 * écrit {"ready": N}. Puis, pour chaque ligne « AUTEURS MESSAGES RYTHME » reçue sur son entrée, il
 * fait parler les AUTEURS premiers clients à tour de rôle (RYTHME messages par seconde ; 0 : aussi
 * vite que le serveur les prend), attend que tout soit arrivé et écrit ses mesures en JSON.
 *
 * Chaque message porte « @ », l'instant prévu de son envoi (16 chiffres, µs) et son numéro (8
 * chiffres). Chaque client coche ce qu'il reçoit : une ligne perdue, doublée ou rendue à son auteur
 * se voit. La latence part de l'instant prévu, même si l'envoi a pris du retard : un serveur qui
 * n'en peut plus ne gagne rien à ne plus lire.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TEXT 100                 /* octets par message */
#define WINDOW 32                /* connexions qui s'établissent en même temps */
#define QUIET 500000             /* µs sans rien recevoir : la salle est calme */
#define PATIENCE 5000000         /* µs sans aucune ligne nouvelle : le reste est perdu */
#define BIN 10                   /* µs par case de l'histogramme des latences */
#define BINS 12000000            /* deux minutes */
#define BUFFER (4 << 20)

enum state { CONNECTING, HANDSHAKE, OPENING, READY, CLOSED };

struct client {
    int fd;
    enum state state;
    char *rest;                  /* début d'une trame dont la fin n'est pas arrivée */
    size_t rest_size;
    char *out;                   /* ce que le noyau n'a pas encore pris */
    size_t out_size, out_room;
    int waiting;                 /* epoll doit dire quand le noyau en reprendra */
    uint8_t *seen;               /* un bit par message */
    uint64_t order;              /* empreinte de l'ordre de réception */
};

static struct client *clients;
static int count, ready, closed, close_code, poller, timer, socketio;
static int ports[16], port_count;
static char buffer[BUFFER];

static int authors, messages, queued;    /* la charge en cours */
static double rate;
static int64_t started, last_line, last_byte;
static long lines, duplicates, echoes, frames, bytes;
static uint32_t *histogram;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void watch(struct client *c, int operation) {
    c->waiting = c->out_size > 0;
    struct epoll_event event = {.events = EPOLLIN | (c->waiting ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(poller, operation, c->fd, &event)) fail("epoll_ctl");
}

static void drop(struct client *c) {
    if (c->state == CLOSED) return;
    if (c->state != READY) {
        fprintf(stderr, "le serveur a refusé une connexion\n");
        exit(1);
    }
    close(c->fd);
    c->state = CLOSED;
    c->out_size = 0;
    closed++;
}

/* Envoie ce qui attend ; le reste partira quand le noyau le voudra. */
static void flush(struct client *c) {
    size_t sent = 0;
    while (sent < c->out_size) {
        ssize_t n = send(c->fd, c->out + sent, c->out_size - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) { drop(c); return; }
        sent += n;
    }
    c->out_size -= sent;
    memmove(c->out, c->out + sent, c->out_size);
    if (c->waiting != (c->out_size > 0)) watch(c, EPOLL_CTL_MOD);
}

static void append(struct client *c, const char *data, size_t size) {
    if (c->out_size + size > c->out_room) {
        c->out_room = 2 * (c->out_size + size);
        c->out = realloc(c->out, c->out_room);
    }
    memcpy(c->out + c->out_size, data, size);
    c->out_size += size;
}

/* Ajoute une trame masquée par une clé nulle : le serveur a le même travail qu'avec une autre. */
static void append_frame(struct client *c, int opcode, const char *data, size_t size) {
    char header[8] = {(char)(0x80 | opcode)};
    int length = 6;
    if (size < 126) {
        header[1] = (char)(0x80 | size);
    } else {
        header[1] = (char)(0x80 | 126);
        header[2] = (char)(size >> 8);
        header[3] = (char)size;
        length = 8;
    }
    append(c, header, length);
    append(c, data, size);
}

static void send_text(struct client *c, const char *text) {
    append_frame(c, 1, text, strlen(text));
    flush(c);
}

static void introduce(struct client *c) {
    char hello[64];
    const char *form = socketio ? "42[\"hello\",\"p%d\"]" : "Hello|p%d";
    snprintf(hello, sizeof hello, form, (int)(c - clients));
    c->state = READY;
    ready++;
    send_text(c, hello);
}

static void queue_message(int64_t due) {
    struct client *c = &clients[queued % authors];
    char text[TEXT + 32];
    const char *before = socketio ? "42[\"say\",\"" : "", *after = socketio ? "\"]" : "";
    int size = snprintf(text, sizeof text, "%s@%016lld%08d", before, (long long)due, queued);
    memset(text + size, 'x', TEXT - 25);
    size += TEXT - 25;
    size += snprintf(text + size, sizeof text - size, "%s", after);
    queued++;
    if (c->state == READY) append_frame(c, 1, text, size);
}

static void count_lines(struct client *c, const char *text, size_t size) {
    const char *end = text + size;
    int me = c - clients;
    int64_t at = last_byte;
    while ((text = memchr(text, '@', end - text)) && end - text >= 25) {
        int64_t due = 0, number = 0;
        for (int i = 1; i <= 16; i++) due = due * 10 + (text[i] - '0');
        for (int i = 17; i <= 24; i++) number = number * 10 + (text[i] - '0');
        text += 25;
        if (number >= messages || due < started) continue;   /* d'une charge précédente */
        if (number % authors == me) { echoes++; continue; }
        uint8_t bit = 1 << (number & 7);
        if (c->seen[number >> 3] & bit) { duplicates++; continue; }
        c->seen[number >> 3] |= bit;
        c->order = c->order * 1099511628211ULL + number + 1;
        int64_t bin = (at - due) / BIN;
        histogram[bin < 0 ? 0 : bin < BINS ? bin : BINS - 1]++;
        lines++;
        last_line = at;
    }
}

static void take_text(struct client *c, const char *text, size_t size) {
    if (socketio && size == 1 && *text == '2') send_text(c, "3");
    else if (socketio && c->state == OPENING && size > 1 && text[0] == '0') send_text(c, "40");
    else if (socketio && c->state == OPENING) introduce(c);
    else if (messages) count_lines(c, text, size);
}

/* Lit les trames entières de `data` ; rend le nombre d'octets lus. */
static size_t take_frames(struct client *c, const char *data, size_t size) {
    size_t taken = 0;
    while (size - taken >= 2) {
        const uint8_t *p = (const uint8_t *)data + taken;
        size_t length = p[1] & 0x7f, header = 2;
        if (length == 126) {
            if (size - taken < 4) break;
            length = p[2] << 8 | p[3];
            header = 4;
        } else if (length == 127) {
            if (size - taken < 10) break;
            length = 0;
            for (int i = 2; i < 10; i++) length = length << 8 | p[i];
            header = 10;
        }
        if (size - taken < header + length) break;
        const char *payload = data + taken + header;
        int opcode = p[0] & 0x0f;
        taken += header + length;
        frames++;
        if (opcode == 1) take_text(c, payload, length);
        if (opcode == 8) {
            close_code = length >= 2 ? (uint8_t)payload[0] << 8 | (uint8_t)payload[1] : 1005;
            drop(c);
            return size;
        }
        if (opcode == 9) { append_frame(c, 10, payload, length); flush(c); }
    }
    return taken;
}

static void receive(struct client *c) {
    memcpy(buffer, c->rest, c->rest_size);
    ssize_t n = recv(c->fd, buffer + c->rest_size, BUFFER - c->rest_size - 1, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) { drop(c); return; }
    last_byte = now();
    bytes += n;
    size_t size = c->rest_size + n, taken = 0;
    if (c->state == HANDSHAKE) {
        buffer[size] = 0;
        char *end = strstr(buffer, "\r\n\r\n");
        if (end && strncmp(buffer, "HTTP/1.1 101", 12)) drop(c);
        if (end) {
            taken = end + 4 - buffer;
            c->state = OPENING;
            if (!socketio) introduce(c);
        }
    }
    if (c->state == OPENING || c->state == READY)
        taken += take_frames(c, buffer + taken, size - taken);
    if (c->state == CLOSED) return;
    c->rest_size = size - taken;
    c->rest = realloc(c->rest, c->rest_size + 1);
    memcpy(c->rest, buffer + taken, c->rest_size);
}

static void start_connection(int index) {
    struct client *c = &clients[index];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int port = ports[index % port_count], yes = 1;
    address.sin_port = htons(port);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) fail("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(c->fd, (void *)&address, sizeof address) && errno != EINPROGRESS) fail("connect");
    c->state = CONNECTING;
    char request[512];
    snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        socketio ? "/socket.io/?EIO=4&transport=websocket" : "/", port);
    append(c, request, strlen(request));
    watch(c, EPOLL_CTL_ADD);
}

/* Traite ce qui arrive pendant `timeout` ms au plus ; rend 1 si la minuterie a sonné. */
static int serve(int timeout) {
    struct epoll_event events[512];
    int ticked = 0, n = epoll_wait(poller, events, 512, timeout);
    for (int i = 0; i < n; i++) {
        struct client *c = events[i].data.ptr;
        if (!c) {
            uint64_t expirations;
            ticked = read(timer, &expirations, sizeof expirations) > 0;
            continue;
        }
        if (c->state == CONNECTING) {
            int error = 0;
            socklen_t size = sizeof error;
            getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
            if (error) { errno = error; fail("connect"); }
            c->state = HANDSHAKE;
        }
        if (c->state != CLOSED && events[i].events & EPOLLOUT) flush(c);
        if (c->state != CLOSED && events[i].events & ~EPOLLOUT) receive(c);
    }
    return ticked;
}

static void wait_for_quiet(void) {
    for (last_byte = now(); now() - last_byte < QUIET;) serve(50);
}

static void set_timer(int64_t at) {
    struct itimerspec t = {.it_value = {at / 1000000, at % 1000000 * 1000}};
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL)) fail("timerfd_settime");
}

/* Met en attente ce qui doit partir maintenant, et règle la minuterie pour la suite. */
static void speak(void) {
    int64_t at = now();
    while (queued < messages) {
        int64_t due = rate ? started + (int64_t)(queued * 1e6 / rate) : started;
        if (due > at) { set_timer(due); break; }
        queue_message(due);
    }
    for (int i = 0; i < authors; i++)
        if (clients[i].out_size && clients[i].state == READY) flush(&clients[i]);
}

static double percentile(double share) {
    long target = lines * share, sum = 0;
    for (long bin = 0; bin < BINS; bin++)
        if ((sum += histogram[bin]) > target) return (bin + 0.5) * BIN / 1000;
    return 0;
}

/* 1 : tous les clients muets ont tout reçu dans le même ordre ; 0 : non ; -1 : rien à comparer. */
static int same_order(void) {
    if (count - authors < 2) return -1;
    for (int i = authors + 1; i < count; i++)
        if (clients[i].order != clients[authors].order) return 0;
    return 1;
}

static void run_load(void) {
    long expected = (long)messages * (count - 1);
    queued = 0;
    lines = duplicates = echoes = frames = bytes = 0;
    histogram = calloc(BINS, sizeof *histogram);
    for (int i = 0; i < count; i++) {
        clients[i].seen = calloc(messages / 8 + 1, 1);
        clients[i].order = 0;
    }
    double cpu_before = cpu();
    last_line = started = now();
    speak();
    while (lines < expected && (queued < messages || now() - last_line < PATIENCE))
        if (serve(100)) speak();
    double used = cpu() - cpu_before;
    wait_for_quiet();            /* un double arrive après tout le monde */
    printf("{\"sent\": %d, \"lines\": %ld, \"lost\": %ld, \"duplicates\": %ld, \"echoes\": %ld, "
           "\"frames\": %ld, \"bytes\": %ld, \"seconds\": %.4f, \"generator_cpu\": %.4f, "
           "\"p50\": %.2f, \"p99\": %.2f, \"p999\": %.2f, \"same_order\": %d, \"closed\": %d, "
           "\"close_code\": %d}\n",
           messages, lines, expected - lines, duplicates, echoes, frames, bytes,
           (last_line - started) / 1e6, used,
           percentile(.5), percentile(.99), percentile(.999), same_order(), closed, close_code);
    fflush(stdout);
    closed = close_code = 0;
    for (int i = 0; i < count; i++) free(clients[i].seen);
    free(histogram);
    messages = 0;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "load chat|socketio CLIENTS PORT [PORT ...]\n");
        return 2;
    }
    socketio = !strcmp(argv[1], "socketio");
    count = atoi(argv[2]);
    for (int i = 3; i < argc && port_count < 16; i++) ports[port_count++] = atoi(argv[i]);
    clients = calloc(count, sizeof *clients);
    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);

    for (int begun = 0; ready < count; serve(100))
        while (begun < count && begun - ready < WINDOW) start_connection(begun++);
    wait_for_quiet();
    printf("{\"ready\": %d}\n", ready);
    fflush(stdout);
    char command[128];
    while (fgets(command, sizeof command, stdin)) {
        if (sscanf(command, "%d %d %lf", &authors, &messages, &rate) == 3) run_load();
    }
    return 0;
}
